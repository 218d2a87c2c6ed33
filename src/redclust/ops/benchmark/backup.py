"""``benchmark backup``: a verified backup beside pg_dump alone, and its restore beside psql."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from redclust import pgtools
from redclust.config import Loaded
from redclust.db.connect import Connector
from redclust.errors import ToolError
from redclust.ops.benchmark import restore
from redclust.ops.benchmark.frame import Comparison, compare, take_turns
from redclust.ops.benchmark.noted import noted
from redclust.pgtools import Tools
from redclust.report import Progress, Report
from redclust.sql import query

#: What the ratios of time are to stay under, of the whole: dumped, hashed and read back.
GZIP_RATIO_LIMIT = 0.6
ZSTD_RATIO_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one side leaves on disk, and the memory that its greatest process took at most."""

    name: str
    size_bytes: int
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class BackupBenchmark(Report):
    """Each side is a command of its own, start-up included; only redclust's reads back what it wrote."""

    verb: ClassVar[str] = "benchmark.backup"
    database_bytes: int
    beside_gzip: Comparison
    beside_zstd: Comparison
    #: Ours compares rows and analyzes as well; there is nothing to be reached.
    beside_psql: Comparison
    costs: tuple[Cost, ...]
    server_version: str

    @property
    def missed(self) -> tuple[str, ...]:
        """What was to be reached and was not."""
        ours, gzip, _ = self.costs
        told: list[str] = []
        for what, limit, found in (
            ("pg_dump -Fc", GZIP_RATIO_LIMIT, self.beside_gzip.median_ratio),
            ("pg_dump | zstd -3", ZSTD_RATIO_LIMIT, self.beside_zstd.median_ratio),
        ):
            if found > limit:
                told.append(f"{found:.2f} of the time of {what}, {limit} was the limit")
        if ours.size_bytes >= gzip.size_bytes:
            told.append(f"{ours.size_bytes} bytes, not less than the {gzip.size_bytes} of pg_dump -Fc")
        return tuple(told)

    @property
    def ok(self) -> bool:
        return not self.missed


@noted
def backup_benchmark(
    connector: Connector, loaded: Loaded, *, runs: int, directory: Path | None, progress: Progress
) -> BackupBenchmark:
    """Make backups into a temporary directory, in turn with the baselines; the last ones are measured.
    Then the last backup is restored, in turn with psql, into databases that are dropped.

    Needs the space of three backups and of the plain SQL there, and on the server that of one copy.

    Raises:
        ToolError: pg_dump of the server's version, or the zstd program, is missing, or one failed.
    """
    zstd = shutil.which("zstd")
    if zstd is None:
        raise ToolError("there is no zstd program to compare with", hint="apt install zstd")
    with connector.connect(autocommit=True) as connection:
        version, size_bytes, _ = connection.execute(query("db", "server_facts")).fetchone() or ("", 0, None)
    tools = _tools(loaded, connector, str(version))
    with tempfile.TemporaryDirectory(prefix="redclust-", dir=directory) as folder:
        place = Path(folder)
        sides = _sides(connector, loaded, tools, zstd, place)
        peaks: dict[str, int] = {}

        def timed(name: str, work: Callable[[], int]) -> Callable[[], None]:
            def run() -> None:
                peaks[name] = max(peaks.get(name, 0), work())

            return run

        with progress.task("benchmark backup", len(sides) * runs, "runs") as task:
            ours, gzip, packed = take_turns(
                [(name, timed(name, work)) for name, _, work in sides],
                runs=runs,
                before=lambda: shutil.rmtree(place / "backups", ignore_errors=True),
                task=task,
            )
        # The baselines' files stay; ours is removed before each turn, so one more is made to be weighed.
        sides[0][2]()
        costs = tuple(Cost(name, _size(path), peaks[name]) for name, path, _ in sides)
        command, own = _redclust(connector, loaded, tools, place)
        script = place / "plain.sql"
        beside_psql = restore.beside_psql(
            connector, tools, command, own, script=script, runs=runs, progress=progress
        )
    return BackupBenchmark(
        database_bytes=int(size_bytes),
        beside_gzip=compare(ours, gzip),
        beside_zstd=compare(ours, packed),
        beside_psql=beside_psql,
        costs=costs,
        server_version=str(version),
    )


def _redclust(
    connector: Connector, loaded: Loaded, tools: Tools, place: Path
) -> tuple[list[str], dict[str, str]]:
    """The command on this database and a home and place of its own, with its environment."""
    settings = loaded.settings.backup
    given = {
        name: value
        for name, value in connector.environment().items()
        if name in ("PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")
    }
    own = {
        "REDCLUST_DATABASE__URL": connector.target.conninfo,
        "REDCLUST_DATABASE__BIN_DIR": str(tools.bin_dir),
        "REDCLUST_BACKUP__TARGET": str(place / "backups"),
        "REDCLUST_BACKUP__ZSTD_LEVEL": str(settings.zstd_level),
        "REDCLUST_BACKUP__JOBS": str(settings.jobs),
        "REDCLUST_QUIET": "1",
    }
    return [sys.executable, "-m", "redclust", "--home", str(place / "home")], {**given, **own}


def _sides(
    connector: Connector, loaded: Loaded, tools: Tools, zstd: str, place: Path
) -> list[tuple[str, Path, Callable[[], int]]]:
    """Each side's name, where it writes, and a run of it, which gives its peak memory."""
    command, own = _redclust(connector, loaded, tools, place)
    env = connector.environment()
    dump = [tools.path("pg_dump"), "-w"]
    gzip, packed = place / "gzip.dump", place / "plain.sql.zst"
    pipelines = (
        ("redclust backup now", place / "backups", [[*command, "backup", "now", "--no-tidy"]], own),
        ("pg_dump -Fc", gzip, [[*dump, "-Fc", f"--file={gzip}"]], env),
        ("pg_dump | zstd -3", packed, [dump, [zstd, "-q", "-3", "-f", "-o", str(packed)]], env),
    )
    return [
        (name, path, partial(pgtools.peak_memory_bytes, pipeline, env=given))
        for name, path, pipeline, given in pipelines
    ]


def _tools(loaded: Loaded, connector: Connector, version: str) -> Tools:
    own = loaded.settings.database.bin_dir
    bin_dir = own or (pgtools.wheel_bin_dir() if connector.target.embedded else None)
    return pgtools.client_tools(bin_dir, int(version.split(".", 1)[0].split(" ", 1)[0]), "pg_dump")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(Path(folder, name).stat().st_size for folder, _, names in os.walk(path) for name in names)
