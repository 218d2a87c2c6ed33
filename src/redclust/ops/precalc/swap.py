"""The exchange of the graph: one transaction that changes only what differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import errors as pg
from psycopg import sql

from redclust.db import top_links
from redclust.db.connect import Connection, Connector
from redclust.errors import Locked
from redclust.ops.precalc import filling
from redclust.ops.precalc.door import doorway
from redclust.ops.precalc.figures import TableChange
from redclust.report import Task
from redclust.sql import query

#: What is exchanged, by the name that the queries of each have.
TABLES: Mapping[str, str] = {
    "activity": "user_subreddit_activity",
    "relationships": "subreddit_relationships",
    "communities": "graph_communities",
    "community_links": "graph_community_links",
    "nodes": "graph_nodes",
    "links": "graph_links",
}
#: What is kept of them as it was before, so that versions can be compared and put back.
_VERSIONED = frozenset({"communities", "community_links", "nodes", "links"})
#: Milliseconds that one try waits for a lock.
_LOCK_TIMEOUT_MS = 2000
#: How long an operator's lock on the tables is waited for, and readers between two looks.
_LOCK_LIMIT_S = 600.0
_READERS_LIMIT_S = 5.0
#: Dead rows from which on a table is vacuumed, and not only analyzed.
_VACUUM_FROM_ROWS = 1000
_VACUUM_FROM_RATIO = 0.1
#: The share of a table's rows from which on figures of before do not serve the planner, as autovacuum has it.
_ANALYZE_FROM_RATIO = 0.1


@dataclass(frozen=True, slots=True)
class Swapped:
    """What was changed; ``exclusive`` when nobody was between two looks at the graph, else ``passed_by``
    names those who were.
    """

    changes: tuple[TableChange, ...]
    exclusive: bool
    waited_ms: int
    passed_by: tuple[str, ...]


def swap(
    connector: Connector,
    connection: Connection,
    watch: Connection,
    *,
    version: int,
    differences: Mapping[str, LiteralString | sql.Composed],
    known_rows: Mapping[str, int] | None = None,
    clear: bool = False,
    fill_memory_mb: int | None = None,
    top_mark: str | None = None,
    record: Callable[[tuple[TableChange, ...]], bool],
    task: Task,
) -> Swapped:
    """Make another graph the one that everybody sees, in one transaction, ``record`` included, which tells
    whether it has written the graph itself.

    ``differences`` are, by the keys of ``TABLES`` and in the order to work in, the statements that find how
    each table differs from the graph to be. Only rows that differ are written, so that the same graph again
    writes nothing; with ``clear`` all of them. What they were before is kept for ``version``. Readers go on
    reading but for the moment of the commit (``door.py``); writers wait. Linear, with hash joins. ``watch``
    is another session, idle otherwise. What is stored for readers of the graph (``db/top_links.py``) follows
    in the same transaction, from what was staged for it if nobody has written the graph since ``top_mark``.

    With ``fill_memory_mb`` the first graph is written without looking for differences, and indexed
    afterwards by sorts that hold so much (``filling.py``).

    Raises:
        Locked: another session holds a lock on these tables for longer than 10 minutes; named.
    """
    task.total(len(differences) + 1)
    with doorway(connector, watch, connection) as doors:
        with connection.transaction():
            began_at = _first(connection, "precalc", "transaction_began_at")
            values = {"limit_ms": _LOCK_TIMEOUT_MS, "local": True}
            connection.execute(query("precalc", "limit_lock_waits"), values)
            _lock(connection, task)
            task.advance(1)
            follows = top_links.agree(connection, since=top_mark)
            changes: list[TableChange] = []
            keep = not _first(connection, "versions", "is_first", {"version": version})
            first = fill_memory_mb is not None and not keep
            indexes = filling.unindexed(connection, list(TABLES.values())) if first else None
            for name, statement in differences.items():
                task.note(TABLES[name])
                kept = version if keep and name in _VERSIONED else None
                changes.append(
                    _change(connection, name, statement, clear=clear, version=kept, known=known_rows or {})
                    if indexes is None
                    else _fill(connection, name)
                )
                task.advance(1)
            if indexes and fill_memory_mb:
                filling.build(connection, indexes, memory_mb=fill_memory_mb, task=task)
            erased = record(tuple(changes))
            task.note("links of the biggest nodes")
            written = {change.table for change in changes if change.changed_rows}
            # Who holds every row against the result mends these too.
            if not known_rows and not erased:
                top_links.refresh(connection)
            elif erased or not follows:
                # Marked by a transaction within this one: the next run counts the links, and finds the fault.
                with connection.transaction():
                    top_links.refresh(connection)
            elif written & {"graph_nodes", "graph_links"}:
                top_links.follow(connection)
            else:
                top_links.mark(connection)
            passage = doors.close_when_empty(began_at, limit_s=_READERS_LIMIT_S)
        in_time = doors.open()
    exclusive = in_time and not passage.passed_by
    return Swapped(tuple(changes), exclusive, passage.waited_ms, passage.passed_by)


def tidy(connection: Connection, changes: tuple[TableChange, ...], task: Task) -> tuple[str, ...]:
    """Analyze tables of which a part has changed since, and vacuum where many rows died; those vacuumed.

    An embedded server lives for one command: nothing of its own does this later. The graph is in its place
    already: a table that is locked, or a time limit, only leaves this undone.
    """
    task.total(len(changes))
    connection.execute(query("precalc", "tell_changes"))
    tables = {"tables": [change.table for change in changes]}
    since = {row[0]: row[1:] for row in connection.execute(query("precalc", "changed_since"), tables)}
    connection.execute(query("precalc", "limit_lock_waits"), {"limit_ms": _LOCK_TIMEOUT_MS, "local": False})
    vacuumed: list[str] = []
    for change in changes:
        changed_rows, dead_rows, known = since[change.table]
        # Of its own changes the server may not have heard yet, or have forgotten others in a crash.
        changed_rows = max(changed_rows, change.changed_rows)
        dead_rows = max(dead_rows, change.updated_rows + change.deleted_rows)
        thorough = dead_rows >= max(_VACUUM_FROM_ROWS, _VACUUM_FROM_RATIO * change.rows)
        if thorough or not known or changed_rows >= max(1, _ANALYZE_FROM_RATIO * change.rows):
            task.note(change.table)
            statement = sql.SQL(query("precalc", "vacuum" if thorough else "analyze"))
            with suppress(pg.LockNotAvailable, pg.QueryCanceled):
                connection.execute(statement.format(table=sql.Identifier(change.table)))
                vacuumed += [change.table] if thorough else []
        task.advance(1)
    if any(change.changed_rows for change in changes):
        # Read from its index alone, where pages are known to be visible to all.
        with suppress(pg.LockNotAvailable, pg.QueryCanceled):
            connection.execute(query("top_links", "show_to_all"))
    return tuple(vacuumed)


def _lock(connection: Connection, task: Task) -> None:
    started_s = time.monotonic()
    while True:
        try:
            with connection.transaction():
                connection.execute(query("precalc", "lock_for_swap"))
        except pg.LockNotAvailable:
            rows = connection.execute(query("precalc", "table_lock_holders")).fetchall()
            named = ", ".join(f"{name or 'a session'} (server process {pid})" for pid, name in rows)
            if time.monotonic() - started_s >= _LOCK_LIMIT_S:
                raise Locked(
                    f"the tables of the graph are locked by {named or 'a session that has just ended'}; "
                    "the graph is as it was",
                    hint="end that session or wait for it, then run redclust precalc again",
                ) from None
            task.note(f"waits for {named}")
        else:
            return


def _change(
    connection: Connection,
    name: str,
    differences: LiteralString | sql.Composed,
    *,
    clear: bool,
    version: int | None,
    known: Mapping[str, int],
) -> TableChange:
    table = TABLES[name]
    names = {"table": sql.Identifier(table), "changes": sql.Identifier(f"{name}_changes")}

    def find(version: int | None) -> int:
        found = connection.execute(differences).rowcount
        connection.execute(query("precalc", "join_by_place"), {"others": "off"})
        if version is not None and found:
            connection.execute(query("precalc", f"keep_{name}"), {"version": version})
        return found

    deleted = updated = inserted = 0
    if clear:
        find(version)
        version = None  # kept already
        connection.execute(sql.SQL(query("precalc", "drop_changes")).format(**names))
        deleted = connection.execute(sql.SQL(query("precalc", "empty")).format(**names)).rowcount
        connection.execute(query("precalc", "join_by_place"), {"others": "on"})
    # A statement that writes nothing would still be told to whoever watches the table.
    if find(version):
        deleted += connection.execute(sql.SQL(query("precalc", "delete_gone")).format(**names)).rowcount
        updated = connection.execute(query("precalc", f"update_{name}")).rowcount
        inserted = connection.execute(query("precalc", f"insert_{name}")).rowcount
    connection.execute(query("precalc", "join_by_place"), {"others": "on"})
    if table in known:
        return TableChange(table, known[table] + inserted - deleted, inserted, updated, deleted)
    rows = connection.execute(sql.SQL(query("databases", "count_rows")).format(**names)).fetchone()
    return TableChange(table, int(rows[0]) if rows else 0, inserted, updated, deleted)


def _fill(connection: Connection, name: str) -> TableChange:
    rows = connection.execute(query("precalc", f"fill_{name}")).rowcount
    return TableChange(TABLES[name], rows, rows, 0, 0)


def _first(connection: Connection, area: str, name: str, values: dict[str, int] | None = None) -> Any:
    row = connection.execute(query(area, name), values).fetchone()
    if row is None:
        raise RuntimeError(f"{name} answers nothing")
    return row[0]
