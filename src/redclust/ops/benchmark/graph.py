"""``benchmark graph``: what readers of the map ask, measured as a client gets it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import orjson

from redclust.config import BenchmarkSettings
from redclust.db import top_links
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, Refused
from redclust.ops.benchmark.database import throw_away
from redclust.ops.benchmark.noted import noted
from redclust.ops.benchmark.plans import Plan, plan
from redclust.ops.benchmark.questions import Question, ask, questions
from redclust.ops.benchmark.steps import Step, steps
from redclust.report import Progress, Report
from redclust.sql import query

#: Slower than another run when the fastest is beyond that one's slowest by so much, and by so many ms.
_SLOWER_RATIO, _SLOWER_MS = 1.25, 1.0
#: What seems slower is asked again so many times before it is called that: a busy moment passes.
_ASKED_AGAIN = 5


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
    """A question beside the same one of a saved run; ``noise`` is that run's slowest over its fastest.

    Where the machine itself was slower than in that run, ``ratio`` is what is left of it.
    """

    name: str
    ratio: float
    noise: float
    slower: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """What ``--save`` has kept: times by question, and the control's."""

    runs_ms: dict[str, list[float]]
    control_ms: list[float]


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What is computed before anybody asks: links among the biggest ``nodes``, beside the graph."""

    table: str
    nodes: int
    links: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GraphBenchmark(Report):
    """Not ok when a limit is missed, a plan is bad, or a question became slower than in the saved run.

    ``control_ms`` are runs of work that has nothing to do with the graph, one beside each question.
    """

    verb: ClassVar[str] = "benchmark.graph"
    nodes: int
    links: int
    clients: int
    questions: tuple[Measured, ...]
    control_ms: tuple[float, ...]
    steps: tuple[Step, ...]
    beforehand: Beforehand | None
    against: tuple[Against, ...]
    problems: tuple[str, ...]
    server_version: str

    @property
    def ok(self) -> bool:
        return not self.problems


@noted
def graph_benchmark(
    connector: Connector,
    settings: BenchmarkSettings,
    *,
    runs: int,
    clients: int,
    size: int | None,
    saved: Path | None,
    progress: Progress,
) -> GraphBenchmark:
    """Ask each question once cold and ``runs`` times warm, from as many clients at a time; writes nothing.

    With ``size`` a throw-away graph of so many nodes, and five links each, is made first.

    Raises:
        Refused: the graph is empty.
        ArtefactUnusable: ``saved`` is not the result of such a run.
    """
    before = _read(saved) if saved else None
    with _graph(connector, size, progress) as database, database.connect(autocommit=True) as connection:
        asked = questions(connection)
        if not asked:
            raise Refused("the graph is empty", hint="redclust precalc, or --size 1m")
        with progress.task("benchmark graph", total=len(asked) * (runs * clients + 2), unit="runs") as task:
            measured: list[Measured] = []
            control: list[float] = []
            for question in asked:
                task.note(question.name)
                control.append(_control_ms(connection))
                limit_ms = getattr(settings, f"{question.key}_ms")
                measured.append(_measured(database, connection, question, runs, clients, limit_ms))
                task.advance(runs * clients + 2)
            against = _compared(measured, control, before) if before else ()
            for _ in range(_ASKED_AGAIN):
                slower = {one.name for one in against if one.slower}
                if before is None or not slower:
                    break
                for place, question in enumerate(asked):
                    if question.name in slower:
                        control.append(_control_ms(connection))
                        more = _times(database, question, runs, clients)
                        measured[place] = replace(measured[place], runs_ms=measured[place].runs_ms + more)
                against = _compared(measured, control, before)
            task.note("the steps of the whole map")
            taken = steps(connection, runs=runs)
        nodes, links = (_value(connection, name) for name in ("count_nodes", "count_links"))
        row = connection.execute(query("benchmark", "size_of_stored")).fetchone()
        beforehand = Beforehand("graph_top_links", *row) if row else None
        version = connection.info.parameter_status("server_version") or ""
    problems = [one.missed for one in measured if one.missed]
    problems += [f"{one.name}: {p.bad}" for one in measured for p in one.plans if p.bad]
    problems += [f"{one.name} became slower: {one.ratio:.1f} times as long" for one in against if one.slower]
    told = (tuple(measured), tuple(control), taken, beforehand, against, tuple(problems))
    return GraphBenchmark(nodes, links, clients, *told, version)


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
            top_links.restore(connection)
            connection.execute(query("benchmark", "analyze_graph"))
        yield database


def _measured(
    database: Database,
    connection: Connection,
    question: Question,
    runs: int,
    clients: int,
    limit_ms: float | None,
) -> Measured:
    first = ask(connection, question)
    ask(connection, question)
    times = _times(database, question, runs, clients)
    plans = tuple(plan(connection, part.statement, part.values) for part in question.parts)
    return Measured(question.name, first.all_ms, times, first.rows, first.json_bytes, plans, limit_ms)


def _times(database: Database, question: Question, runs: int, clients: int) -> tuple[float, ...]:
    """Warm times of all clients, each with a session of its own."""

    def client(number: int) -> list[float]:
        with database.connect(autocommit=True) as connection:
            ask(connection, question)
            return [ask(connection, question).all_ms for _ in range(runs)]

    with ThreadPoolExecutor(clients) as pool:
        return tuple(one for found in pool.map(client, range(clients)) for one in found)


def _control_ms(connection: Connection) -> float:
    started_s = time.perf_counter()
    orjson.dumps(connection.execute(query("benchmark", "control"), binary=True).fetchall())
    return (time.perf_counter() - started_s) * 1_000


def _value(connection: Connection, name: str) -> int:
    return sum(int(row[1]) for row in connection.execute(query("graph", name)))


def _compared(measured: list[Measured], control: list[float], before: Saved) -> tuple[Against, ...]:
    slowed = max(1.0, statistics.median(control) / statistics.median(before.control_ms))
    known = before.runs_ms
    return tuple(_against(one, known[one.name], slowed) for one in measured if one.name in known)


def _against(one: Measured, before: list[float], slowed: float) -> Against:
    """``slowed`` is how much slower the machine itself is now."""
    ratio = one.median_ms / slowed / statistics.median(before)
    fastest_ms = min(one.runs_ms) / slowed
    beyond_ms = fastest_ms - max(before)
    slower = fastest_ms > max(before) * _SLOWER_RATIO and beyond_ms > _SLOWER_MS
    return Against(one.name, ratio, max(before) / min(before), slower)


def _read(path: Path) -> Saved:
    try:
        document = cast(dict[str, Any], json.loads(path.read_text()))
        if document["schema"] != "redclust.benchmark.graph/1":
            raise KeyError("schema")
        times = {one["name"]: [float(value) for value in one["runs_ms"]] for one in document["questions"]}
        return Saved(times, [float(value) for value in document["control_ms"]])
    except OSError as error:
        raise ArtefactUnusable(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ArtefactUnusable(f"{path} is not a result of benchmark graph --save") from None
