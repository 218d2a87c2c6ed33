"""The first graph of a database: tables are filled whole, and indexed when they are full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.report import Task
from redclust.sql import query

#: Milliseconds that readers of empty tables are waited for, one table after the other.
_LOCK_TIMEOUT_MS = 500


@dataclass(frozen=True, slots=True)
class Index:
    """An index that was dropped, and what makes it again; ``constraint`` where it is a key."""

    table: str
    name: str
    definition: str
    constraint: str | None


def unindexed(connection: Connection, tables: Sequence[str]) -> tuple[Index, ...] | None:
    """Lock tables that have never held a row against readers too, and drop their indexes.

    In the transaction of the caller, who builds them again. None, and nothing done, where a table has held
    rows, somebody reads, or something depends on an index.
    """
    row = connection.execute(query("precalc", "unfilled"), {"tables": list(tables)}).fetchone()
    if not row or not row[0]:
        return None
    limit = {"limit_ms": _LOCK_TIMEOUT_MS, "local": True}
    try:
        with connection.transaction():
            connection.execute(query("precalc", "limit_lock_waits"), limit)
            connection.execute(query("precalc", "lock_for_filling"))
            found = connection.execute(query("precalc", "indexes_to_build"), {"tables": list(tables)})
            indexes = tuple(Index(*row) for row in found)
            for table in tables:
                _run(connection, "start_anew", table=sql.Identifier(table))
            for index in indexes:
                kind = "drop_index" if index.constraint is None else "drop_key"
                _run(connection, kind, table=sql.Identifier(index.table), name=sql.Identifier(index.name))
    except (pg.LockNotAvailable, pg.DeadlockDetected, pg.DependentObjectsStillExist):
        return None
    return indexes


def build(connection: Connection, indexes: Sequence[Index], *, memory_mb: int, task: Task) -> None:
    """Build the indexes, each by one sort that may hold ``memory_mb``."""
    connection.execute(query("precalc", "build_with"), {"work_mem": f"{memory_mb}MB"})
    for index in indexes:
        task.note(f"indexing {index.table}")
        # The server's own words.
        if index.constraint is None:
            connection.execute(sql.SQL(index.definition))  # pyright: ignore[reportArgumentType]
        else:
            _run(
                connection,
                "build_key",
                table=sql.Identifier(index.table),
                name=sql.Identifier(index.name),
                definition=sql.SQL(index.constraint),  # pyright: ignore[reportArgumentType]
            )


def _run(connection: Connection, statement: str, /, **names: sql.Composable) -> None:
    connection.execute(sql.SQL(query("precalc", statement)).format(**names))
