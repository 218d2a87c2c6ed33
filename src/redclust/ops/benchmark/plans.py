"""How Postgres answered a query, judged: indexes, blocks in memory, whole tables read, sorts on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, cast

from psycopg import sql

from redclust.db.connect import Connection
from redclust.sql import query

#: Reading the whole of a table with fewer rows is what a good planner does.
_WHOLE_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """``bad`` is empty, or says what is wrong; ``text`` is the plan as EXPLAIN (ANALYZE, BUFFERS) has it."""

    indexes: tuple[str, ...]
    hit_blocks: int
    read_blocks: int
    bad: str
    text: str


def plan(connection: Connection, statement: LiteralString | sql.Composed, values: Mapping[str, Any]) -> Plan:
    """Run the statement once more to see how it is answered."""
    told = _explained(connection, "explain_json", statement, values)[0][0]
    text = "\n".join(str(line) for (line,) in _explained(connection, "explain_text", statement, values))
    root = cast(dict[str, Any], told[0]["Plan"])
    steps = list(_steps(root))
    used = [step for step in steps if step.get("Actual Loops")]
    indexes = sorted({str(step["Index Name"]) for step in used if "Index Name" in step})
    return Plan(
        tuple(indexes), int(root["Shared Hit Blocks"]), int(root["Shared Read Blocks"]), _bad(steps), text
    )


def executed_ms(
    connection: Connection, statement: LiteralString | sql.Composed, values: Mapping[str, Any]
) -> float:
    """How long the server works on the statement, without sending a row or looking at the clock for each."""
    told = _explained(connection, "explain_untimed", statement, values)[0][0]
    return float(told[0]["Execution Time"])


def _explained(
    connection: Connection, how: str, statement: LiteralString | sql.Composed, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    inner = sql.SQL(statement) if isinstance(statement, str) else statement
    text = sql.SQL(query("benchmark", how)).format(statement=inner)
    return connection.execute(text, values).fetchall()


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _steps(child)


def _bad(steps: list[dict[str, Any]]) -> str:
    for step in steps:
        rows = (step.get("Actual Rows") or 0) + (step.get("Rows Removed by Filter") or 0)
        if step["Node Type"] == "Seq Scan" and rows * step.get("Actual Loops", 1) >= _WHOLE_ROWS:
            return f"a sequential scan of {step.get('Relation Name')} ({rows:,.0f} rows)"
        if step.get("Sort Space Type") == "Disk":
            return f"a sort that spills {step.get('Sort Space Used'):,} kB to disk"
    return ""
