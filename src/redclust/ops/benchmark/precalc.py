"""``benchmark precalc``: a map beside COPY of its rows, and small changes beside a full run."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from redclust.config import PrecalcSettings
from redclust.db import binary_copy
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.ops import precalc
from redclust.ops.benchmark.database import load, on, save, throw_away
from redclust.ops.benchmark.frame import Comparison, alternate
from redclust.ops.benchmark.noted import noted
from redclust.ops.benchmark.planted import plant_world
from redclust.ops.precalc import filling
from redclust.ops.precalc.figures import Figures, Times
from redclust.ops.precalc.swap import TABLES
from redclust.ops.precalc.versions import KEPT_TABLES
from redclust.report import Progress, Report, Silent, Task
from redclust.sql import query

#: Shares of the memberships that are exchanged for others before an incremental run.
SHARES = (0.0, 0.001, 0.01, 0.05)
#: What an incremental run may take of a full one, by the share, where there are at least so many memberships.
MOST_RATIOS = {0.001: 0.5, 0.01: 1.0}
RATIOS_FROM_MEMBERSHIPS = 1_000_000
#: Of the planted world: memberships of a person, and rows that are sent at a time.
_PER_PERSON, _BLOCK_ROWS = 9.2, 500_000


@dataclass(frozen=True, slots=True)
class Incremental:
    """Incremental runs beside full ones, each after as much was changed; figures are of the last of them."""

    share: float
    comparison: Comparison
    changed_ratio: float
    written_rows: int
    times: Times


@dataclass(frozen=True, slots=True)
class PrecalcBenchmark(Report):
    """``from_nothing`` is a first run beside COPY of the rows that it wrote; ``times`` are its steps.

    ``peak_memory_bytes`` is the sum of the peaks of this process and of its largest worker, without the
    server. Not ok when an incremental run takes more of a full one than it may.
    """

    verb: ClassVar[str] = "benchmark.precalc"
    memberships: int
    people: int
    subreddits: int
    pairs: int
    table_rows: dict[str, int]
    from_nothing: Comparison
    times: Times
    incremental: tuple[Incremental, ...]
    peak_memory_bytes: int
    missed: tuple[str, ...]
    server_version: str

    @property
    def ok(self) -> bool:
        return not self.missed


@noted
def precalc_benchmark(
    connector: Connector,
    settings: PrecalcSettings,
    *,
    memberships: int,
    subreddits: int,
    runs: int,
    seed: int,
    progress: Progress,
) -> PrecalcBenchmark:
    """Plant a world in a throw-away database and compute its map: from nothing, and after changes.

    The baseline of the first is a binary COPY of the rows that it wrote, with the indexes built afterwards;
    that of an incremental run is a full one after another change of the same share.

    Raises:
        ValueError: fewer than 500 subreddits.
    """
    with (
        throw_away(connector) as database,
        tempfile.TemporaryDirectory(prefix="redclust-") as folder,
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        with progress.task("planting a world"):
            planted = _plant(connection, round(memberships / _PER_PERSON), subreddits, seed)
        bench = _Bench(database, connection, settings, Path(folder), runs)
        with progress.task("benchmark precalc", total=2 * runs * (1 + len(SHARES)) + 2) as task:
            bench.empty()
            bench.compute(full=False)  # the warm-up, and where the baseline's rows come from
            rows = {table: save(connection, table, bench.folder) for table in TABLES.values()}
            task.advance(1)
            from_nothing = bench.from_nothing(task)
            bench.empty()
            figures = bench.compute(full=False)
            task.advance(1)
            incremental = tuple(bench.incremental(share, task) for share in SHARES)
        version = connection.info.parameter_status("server_version") or ""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return PrecalcBenchmark(
        memberships=planted,
        people=figures.user_nodes,
        subreddits=figures.subreddit_nodes,
        pairs=figures.relationships // 2,
        table_rows=rows,
        from_nothing=from_nothing,
        times=figures.times,
        incremental=incremental,
        peak_memory_bytes=sum(peaks) * 1024,
        missed=_missed(incremental) if planted >= RATIOS_FROM_MEMBERSHIPS else (),
        server_version=version,
    )


@dataclass(slots=True)
class _Bench:
    database: Database
    connection: Connection
    settings: PrecalcSettings
    folder: Path
    runs: int
    changes: int = 0

    def empty(self) -> None:
        """There has never been a graph."""
        for table in ("precalc_runs", "graph_top_links", *KEPT_TABLES, *TABLES.values()):
            self.connection.execute(on(table, "truncate_table"))
        self.connection.execute(query("benchmark", "checkpoint"))

    def compute(self, *, full: bool) -> Figures:
        return precalc.run(self.database, self.settings, Silent(), full=full).figures

    def copy(self) -> None:
        """The same rows without computing them, indexed when the tables are full, as a first run does it."""
        with self.connection.transaction():
            indexes = filling.unindexed(self.connection, list(TABLES.values()))
            for table in TABLES.values():
                load(self.connection, table, self.folder)
            with Silent().task("indexing") as task:
                filling.build(self.connection, indexes or (), memory_mb=self.settings.memory_mb, task=task)
        self.connection.execute(query("benchmark", "analyze_map"))

    def from_nothing(self, task: Task) -> Comparison:
        def first() -> None:
            self.compute(full=False)

        return alternate(
            ("redclust precalc from nothing", first),
            ("binary COPY of the same rows, then their indexes", self.copy),
            runs=self.runs,
            before=self.empty,
            task=task,
        )

    def incremental(self, share: float, task: Task) -> Incremental:
        last: list[Figures] = []

        def change() -> None:
            self.changes += 1
            values = {"share": share / 2, "seed": self.changes}
            self.connection.execute(query("benchmark", "exchange_memberships"), values)
            self.connection.execute(query("benchmark", "checkpoint"))

        def less() -> None:
            last.append(self.compute(full=False))

        def all_of_it() -> None:
            self.compute(full=True)

        comparison = alternate(
            (f"precalc after {share:.1%} changed", less),
            ("precalc --full after as much changed", all_of_it),
            runs=self.runs,
            before=change,
            task=task,
        )
        written = sum(one.changed_rows for one in last[-1].changes)
        return Incremental(share, comparison, last[-1].changed_ratio or 0.0, written, last[-1].times)


def _plant(connection: Connection, people: int, subreddits: int, seed: int) -> int:
    world = plant_world(people, subreddits, n_bots=10 if people < 1_000_000 else 60, seed=seed)
    names = {"users": world.n_people + world.n_bots, "subreddits": subreddits}
    connection.execute(query("benchmark", "plant_users"), names)
    connection.execute(query("benchmark", "plant_subreddits"), names)
    connection.execute(query("benchmark", "plant_file"))
    times = np.random.default_rng(seed).geometric(0.35, len(world.users)).astype(np.int32)
    columns = (np.ones(len(times), np.int32), world.users + 1, world.subreddits + 1, times)

    def blocks() -> Iterator[npt.NDArray[np.int64]]:
        for first in range(0, len(times), _BLOCK_ROWS):
            yield np.arange(first, min(first + _BLOCK_ROWS, len(times)))

    fixed = [binary_copy.Fixed(column) for column in columns]
    binary_copy.send(connection, query("benchmark", "plant_memberships"), fixed, None, blocks())
    connection.execute(query("benchmark", "analyze_planted"))
    return len(times)


def _missed(incremental: tuple[Incremental, ...]) -> tuple[str, ...]:
    return tuple(
        f"after {one.share:.1%} changed: {one.comparison.median_ratio:.2f} of a full run, not {most:g}"
        for one in incremental
        if (most := MOST_RATIOS.get(one.share)) is not None and one.comparison.median_ratio > most
    )
