"""What each step of the whole map takes, beside the least that such a step can take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from redclust.db.connect import Connection
from redclust.db.top_links import LINKS, NODES
from redclust.ops.benchmark import plans
from redclust.ops.benchmark.questions import ask, map_question
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Step:
    """Medians; ``floor`` says what was done that is the least of it, ``ratio`` is of the two in one round."""

    name: str
    step_ms: float
    floor: str
    floor_ms: float
    ratio: float


def steps(connection: Connection, *, runs: int) -> tuple[Step, ...]:
    """Take the map apart, each step and its floor in turn: the server, the way to the client, the JSON."""
    whole = map_question()
    size_bytes = ask(connection, whole).json_bytes
    document = bytes(size_bytes)
    values = {"limit": NODES, "links": LINKS}
    row = connection.execute(query("top_links", "is_marked")).fetchone()
    links = "stored_entries" if row and row[0] else "link_entries"
    rounds: list[tuple[float, ...]] = []
    for _ in range(runs):
        entries_ms = sum(
            plans.executed_ms(connection, query("reading", name), values) for name in ("node_entries", links)
        )
        sql_ms = sum(plans.executed_ms(connection, part.statement, part.values) for part in whole.parts)
        answer = ask(connection, whole)
        way_ms = _timed(lambda: connection.execute(query("benchmark", "text"), {"n": size_bytes}).fetchall())
        copied_ms = _timed(lambda: bytearray(document))
        rounds.append((sql_ms, entries_ms, answer.fetch_ms - sql_ms, way_ms, answer.json_ms, copied_ms))
    told = (
        ("SQL on the server", "the same index entries, read and nothing else"),
        ("rows to the client", "as many bytes fetched as one text"),
        ("JSON", "as many bytes copied"),
    )
    columns = list(zip(*rounds, strict=True))
    pairs = zip(columns[::2], columns[1::2], strict=True)
    found: list[Step] = []
    for (name, floor), sides in zip(told, pairs, strict=True):
        step_ms, floor_ms = (statistics.median(side) for side in sides)
        ratio = statistics.median(ours / least for ours, least in zip(*sides, strict=True))
        found.append(Step(name, step_ms, floor, floor_ms, ratio))
    return tuple(found)


def _timed(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return (time.perf_counter() - started_s) * 1_000
