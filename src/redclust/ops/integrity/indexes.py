"""What the use of the indexes suggests, and why to think twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from redclust import sql as package
from redclust.db.connect import Connection
from redclust.sql import query

_OWN = "redclust's migrations made it, and its queries may read it tomorrow: leave it"


@dataclass(frozen=True, slots=True)
class IndexAdvice:
    """One index that is unused or a duplicate, or one that is missing under a foreign key.

    ``index`` is None where one is missing; ``cautions`` are the reasons against acting on it.
    """

    kind: Literal["unused", "duplicate", "missing"]
    table: str
    index: str | None
    size_bytes: int
    why: str
    cautions: tuple[str, ...]


def advise(connection: Connection, min_bytes: int) -> tuple[IndexAdvice, ...]:
    """Read the catalog and the counters; indexes and tables under ``min_bytes`` are not worth a word."""
    return (
        *_duplicates(connection),
        *_unused(connection, min_bytes),
        *_missing(connection, min_bytes),
    )


def _unused(connection: Connection, min_bytes: int) -> list[IndexAdvice]:
    found: list[IndexAdvice] = []
    for table, index, size_bytes, since in connection.execute(
        query("indexes", "unused"), {"min_bytes": min_bytes}
    ):
        cautions = (
            f"counted since {_at(since)}: a query that runs once a month may not have come by",
            "each standby counts for itself: look there too",
            *_own(index),
        )
        found.append(IndexAdvice("unused", table, index, size_bytes, "no scan was counted", cautions))
    return found


def _duplicates(connection: Connection) -> list[IndexAdvice]:
    found: list[IndexAdvice] = []
    for table, index, size_bytes, other, scans, other_scans in connection.execute(
        query("indexes", "duplicates")
    ):
        cautions = (
            f"{index} was read {scans} times and {other} {other_scans}; queries with a hint or a plan held "
            "ready may name it",
            *_own(index),
        )
        why = f"{other} has the same columns, order and condition"
        found.append(IndexAdvice("duplicate", table, index, size_bytes, why, cautions))
    return found


def _missing(connection: Connection, min_bytes: int) -> list[IndexAdvice]:
    found: list[IndexAdvice] = []
    for table, key, columns, other, size_bytes in connection.execute(
        query("indexes", "missing"), {"min_bytes": min_bytes}
    ):
        why = f"{key} ({columns}) refers to {other}: deleting there reads all of {table}"
        cautions = (
            f"it slows every insert into {table}",
            f"it helps only when rows of {other} are deleted, or their key changes",
        )
        found.append(IndexAdvice("missing", table, None, size_bytes, why, cautions))
    return found


def _own(index: str) -> tuple[str, ...]:
    return (_OWN,) if any(f" {index} ON " in one.text for one in package.migrations()) else ()


def _at(since: datetime | None) -> str:
    return f"{since:%Y-%m-%d %H:%M} UTC" if since else "the server's first start"
