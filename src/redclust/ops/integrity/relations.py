"""Tables, TOAST tables and B-trees: what writing them anew would give back, guessed and seen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from redclust.db import extensions
from redclust.db.connect import Connection
from redclust.ops.integrity.estimate import (
    Column,
    Width,
    index_bytes,
    measured_width,
    row_width,
    table_bytes,
)
from redclust.sql import query

Kind = Literal["table", "toast", "index"]
#: A chunk of a value in a TOAST table, with its header; four fill a page of 8 KiB.
_CHUNK = Width(2_032, varies=False)
APPROXIMATE, LEAVES = "pgstattuple_approx", "pgstatindex"


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation as the catalog tells it.

    ``rows`` is None where the server has not counted them yet, ``columns`` where their widths are not known.
    """

    oid: int
    table_oid: int
    table: str
    name: str
    kind: Kind
    size_bytes: int
    page_bytes: int
    rows: float | None
    dead_rows: int
    fill_ratio: float
    unique: bool
    columns: tuple[Column, ...] | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen on the pages; dead and free bytes are known of tables only."""

    method: str
    size_bytes: int
    wasted_bytes: int
    dead_bytes: int | None
    free_bytes: int | None


def read(connection: Connection) -> list[Relation]:
    """All that no other session holds exclusively."""
    columns: dict[int, list[Column]] = defaultdict(list)
    unknown: set[int] = set()
    for name in ("table_columns", "index_columns"):
        for oid, *told in connection.execute(query("bloat", name)):
            if None in told:
                unknown.add(oid)
            else:
                columns[oid].append(Column(*told))
    return [
        Relation(*row, columns=None if row[0] in unknown else tuple(columns[row[0]]))
        for row in connection.execute(query("bloat", "relations"))
    ]


def estimated_waste(one: Relation) -> tuple[int | None, str]:
    """Bytes, or None and what the statistics lack."""
    if one.rows is None:
        return None, "the table was never analyzed"
    if one.kind == "toast":
        # The last chunk of each value is shorter, so more may be wasted than this.
        needed = table_bytes(_CHUNK, one.rows, fill_ratio=1, page_bytes=one.page_bytes)
    elif one.columns is None:
        return None, "no statistics of its columns, or none that this role may read"
    elif one.kind == "table":
        width = row_width(one.columns)
        needed = table_bytes(width, one.rows, fill_ratio=one.fill_ratio, page_bytes=one.page_bytes)
    else:
        needed = index_bytes(
            one.columns, one.rows, unique=one.unique, fill_ratio=one.fill_ratio, page_bytes=one.page_bytes
        )
    return max(0, one.size_bytes - needed), ""


def look(connection: Connection, one: Relation, *, limit_ms: int) -> Seen:
    """Read the pages that are not known to be visible to all, or the whole index, for ``limit_ms`` at most.

    Raises:
        extensions.Unavailable: pgstattuple cannot be used here.
        psycopg.Error: the relation is gone or locked, or the session's time is up.
    """
    with extensions.borrow(connection, "pgstattuple") as schema:
        connection.execute(query("bloat", "limit_time"), {"limit_ms": limit_ms})
        name = "confirm_index" if one.kind == "index" else "confirm_table"
        statement = sql.SQL(query("bloat", name)).format(schema=schema)
        row = connection.execute(statement, {"relation": one.oid}).fetchone()
    figures = [float(value or 0) for value in row or (0,) * 6]
    return _index(one, figures) if one.kind == "index" else _table(one, figures)


def _table(one: Relation, figures: list[float]) -> Seen:
    size_bytes, scanned_percent, rows, live_bytes, dead_bytes, free_bytes = figures
    # Of pages that were not read, all that is not free counts as rows.
    believed = size_bytes / one.page_bytes * (1 - scanned_percent / 100)
    mean_bytes = measured_width(live_bytes, rows, pages=believed, page_bytes=one.page_bytes) if rows else 0
    mean = Width(mean_bytes, varies=_varies(one), chunks=one.kind == "toast")
    needed = table_bytes(mean, rows, fill_ratio=one.fill_ratio, page_bytes=one.page_bytes)
    wasted = max(0, round(size_bytes) - needed)
    return Seen(APPROXIMATE, round(size_bytes), wasted, round(dead_bytes), round(free_bytes))


def _varies(one: Relation) -> bool:
    known = one.columns or ()
    return one.kind == "table" and any(c.length < 0 or c.null_ratio > 0 for c in known)


def _index(one: Relation, figures: list[float]) -> Seen:
    size_bytes, internal_pages, leaf_pages, density_percent = figures
    leaves = leaf_pages * density_percent / 100 / one.fill_ratio
    inner = internal_pages * leaves / leaf_pages if leaf_pages else 0
    needed = (1 + leaves + inner) * one.page_bytes
    return Seen(LEAVES, round(size_bytes), max(0, round(size_bytes - needed)), None, None)
