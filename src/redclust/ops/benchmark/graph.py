"""``benchmark graph``: what readers of the map ask, measured as a client gets it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import orjson

from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, Refused
from redclust.ops.benchmark.database import throw_away
from redclust.ops.benchmark.noted import noted
from redclust.ops.benchmark.plans import Plan, plan
from redclust.report import Progress, Report
from redclust.sql import query

#: The runbook's target: 20,000 nodes in under a second, here with their links.
TARGETS_MS = {"map of 20,000": 1_000.0}
_LINKS = 50_000
#: Slower than another run when the fastest is beyond that one's slowest by so much, and by so many ms.
_SLOWER_RATIO, _SLOWER_MS = 1.25, 1.0

Question = tuple[str, tuple[tuple[str, dict[str, Any]], ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One question; ``cold_ms`` is its first run. Rows and bytes of JSON are what the client had."""

    name: str
    cold_ms: float
    runs_ms: tuple[float, ...]
    rows: int
    json_bytes: int
    plans: tuple[Plan, ...]
    limit_ms: float | None

    @property
    def median_ms(self) -> float:
        return statistics.median(self.runs_ms)

    @property
    def p95_ms(self) -> float:
        return sorted(self.runs_ms)[min(len(self.runs_ms) - 1, round(0.95 * len(self.runs_ms)))]

    @property
    def missed(self) -> str:
        over = self.limit_ms is not None and self.median_ms > self.limit_ms
        return f"{self.name}: {self.median_ms:.0f} ms, to be {self.limit_ms:g} at most" if over else ""


@dataclass(frozen=True, slots=True)
class Against:
    """A question beside the same one of a saved run; ``noise`` is that run's slowest over its fastest."""

    name: str
    ratio: float
    noise: float
    slower: bool


@dataclass(frozen=True, slots=True)
class GraphBenchmark(Report):
    """Not ok when a limit is missed, a plan is bad, or a question became slower than in the saved run."""

    verb: ClassVar[str] = "benchmark.graph"
    nodes: int
    links: int
    clients: int
    questions: tuple[Measured, ...]
    against: tuple[Against, ...]
    problems: tuple[str, ...]
    server_version: str

    @property
    def ok(self) -> bool:
        return not self.problems


@noted
def graph_benchmark(
    connector: Connector, *, runs: int, clients: int, size: int | None, saved: Path | None, progress: Progress
) -> GraphBenchmark:
    """Ask each question once cold and ``runs`` times warm, from as many clients at a time; writes nothing.

    With ``size`` a throw-away graph of so many nodes, and five links each, is made first.

    Raises:
        Refused: the graph is empty.
        ArtefactUnusable: ``saved`` is not the result of such a run.
    """
    before = _read(saved) if saved else {}
    with _graph(connector, size, progress) as database, database.connect(autocommit=True) as connection:
        nodes, links = (_value(connection, name) for name in ("count_nodes", "count_links"))
        if not nodes:
            raise Refused("the graph is empty", hint="redclust precalc, or --size 1m")
        asked = _questions(connection)
        with progress.task("benchmark graph", total=len(asked) * (runs * clients + 2), unit="runs") as task:
            measured: list[Measured] = []
            for name, parts in asked:
                task.note(name)
                cold_ms, rows, size_bytes = _ask(connection, parts)
                _ask(connection, parts)
                times = _times(database, parts, runs, clients)
                plans = tuple(plan(connection, query("reading", part), values) for part, values in parts)
                limit_ms = TARGETS_MS.get(name)
                measured.append(Measured(name, cold_ms, times, rows, size_bytes, plans, limit_ms))
                task.advance(runs * clients + 2)
        version = connection.info.parameter_status("server_version") or ""
    against = tuple(_against(one, before[one.name]) for one in measured if one.name in before)
    problems = [one.missed for one in measured if one.missed]
    problems += [f"{one.name}: {p.bad}" for one in measured for p in one.plans if p.bad]
    problems += [f"{one.name} became slower: {one.ratio:.1f} times as long" for one in against if one.slower]
    return GraphBenchmark(nodes, links, clients, tuple(measured), against, tuple(problems), version)


@contextmanager
def _graph(connector: Connector, size: int | None, progress: Progress) -> Generator[Database]:
    if size is None:
        yield Database(connector)
        return
    with throw_away(connector) as database:
        with (
            database.connect(bulk=True, autocommit=True) as connection,
            progress.task("synthetic graph", total=3, unit="steps") as task,
        ):
            for step in ("synthetic_nodes", "synthetic_links"):
                connection.execute(query("benchmark", step), {"nodes": size})
                task.advance(1)
            connection.execute(query("benchmark", "analyze_graph"))
        yield database


def _questions(connection: Connection) -> tuple[Question, ...]:
    row = connection.execute(query("reading", "a_node_to_ask_for")).fetchone()
    row = row or connection.execute(query("reading", "any_node")).fetchone() or ("", "", 0)
    identifier, name, val = row
    tops = tuple(
        (f"top {limit:,} nodes", (("top_nodes", {"limit": limit}),)) for limit in (100, 1_000, 10_000, 20_000)
    )
    among = ("links_among_top", {"limit": 20_000, "links": _LINKS})
    return (
        *tops,
        ("top 1,000 subreddits", (("top_of_type", {"type": "subreddit", "limit": 1_000}),)),
        ("links among 20,000", (among,)),
        ("map of 20,000", (("top_nodes", {"limit": 20_000}), among)),
        ("neighbourhood", (("neighbourhood", {"id": identifier, "limit": 1_000}),)),
        ("page of 100", (("page_after", {"val": val, "id": identifier, "limit": 100}),)),
        ("prefix search", (("names_beginning", {"prefix": str(name)[:3], "limit": 20}),)),
    )


def _ask(connection: Connection, parts: Sequence[tuple[str, dict[str, Any]]]) -> tuple[float, int, int]:
    """Milliseconds until the client holds the answer as JSON; its rows and bytes."""
    started_s = time.perf_counter()
    rows = size_bytes = 0
    for name, values in parts:
        found = connection.execute(query("reading", name), values, binary=True).fetchall()
        size_bytes += len(orjson.dumps(found))
        rows += len(found)
    return (time.perf_counter() - started_s) * 1_000, rows, size_bytes


def _times(
    database: Database, parts: Sequence[tuple[str, dict[str, Any]]], runs: int, clients: int
) -> tuple[float, ...]:
    """Warm times of all clients, each with a session of its own."""

    def client(number: int) -> list[float]:
        with database.connect(autocommit=True) as connection:
            _ask(connection, parts)
            return [_ask(connection, parts)[0] for _ in range(runs)]

    with ThreadPoolExecutor(clients) as pool:
        return tuple(one for found in pool.map(client, range(clients)) for one in found)


def _value(connection: Connection, name: str) -> int:
    return sum(int(row[1]) for row in connection.execute(query("graph", name)))


def _against(one: Measured, before: Sequence[float]) -> Against:
    ratio = one.median_ms / statistics.median(before)
    beyond_ms = min(one.runs_ms) - max(before)
    slower = min(one.runs_ms) > max(before) * _SLOWER_RATIO and beyond_ms > _SLOWER_MS
    return Against(one.name, ratio, max(before) / min(before), slower)


def _read(path: Path) -> dict[str, list[float]]:
    try:
        document = cast(dict[str, Any], json.loads(path.read_text()))
        if document["schema"] != "redclust.benchmark.graph/1":
            raise KeyError("schema")
        return {one["name"]: [float(value) for value in one["runs_ms"]] for one in document["questions"]}
    except OSError as error:
        raise ArtefactUnusable(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ArtefactUnusable(f"{path} is not a result of benchmark graph --save") from None
