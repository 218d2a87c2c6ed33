"""The live database as a restore finds it: whether it is empty, and what it has that a backup has not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from redclust.db import schema
from redclust.db.connect import Connection
from redclust.ops.backup.manifest import Manifest
from redclust.sql import query

#: Tables of which one row is data that somebody would miss.
_DATA = (
    "subreddits",
    "users",
    "posts",
    "comments",
    "imported_interactions",
    "crawl_jobs",
    "tombstones",
    "graph_nodes",
)
_QUEUE = ("crawl_jobs", "crawl_pauses")
_SINCE = ("import_files", "crawl_runs", "precalc_runs", "tombstones")


@dataclass(frozen=True, slots=True)
class Since:
    """What has happened in the live database after the backup's moment: an import, a crawl, a deletion …"""

    what: str
    count: int
    last_at: datetime


def has(connection: Connection, *tables: str) -> bool:
    """Whether all of these tables are here: an older schema does not have each."""
    row = connection.execute(query("restore", "has_tables"), {"tables": list(tables)}).fetchone()
    return row is not None and int(row[0]) == len(tables)


def has_queue(connection: Connection) -> bool:
    return has(connection, *_QUEUE)


def is_empty(connection: Connection) -> bool:
    """No table holds anything that somebody would miss: a new database, or a migrated one never used."""
    found = schema.inspect(connection)
    if found.state is schema.State.EMPTY:
        return not connection.execute(query("databases", "tables_with_rows")).fetchall()
    if found.state is schema.State.FOREIGN:
        return False
    present = [table for table in _DATA if has(connection, table)]
    return not any(_has_rows(connection, table) for table in present)


def since(connection: Connection, at: datetime) -> tuple[Since, ...]:
    """What would be missing after a restore of a backup of that moment."""
    if not has(connection, *_SINCE):
        return ()
    return tuple(Since(*row) for row in connection.execute(query("restore", "since"), {"at": at}))


def unchanged_since(connection: Connection, made: Manifest) -> bool:
    """Whether nothing was written on this server since a backup, but for rows of the history of runs.

    Each transaction that writes has a number of its own. Writes to other databases of the server count too:
    then it says False, which costs a backup more and loses nothing.
    """
    row = connection.execute(query("restore", "next_xid")).fetchone()
    now = int(row[0]) if row else 0
    if not has(connection, "run_history"):
        return now == made.moment.next_xid
    values = {"since": made.moment.next_xid}
    row = connection.execute(query("restore", "history_writers"), values).fetchone()
    writers = int(row[0]) if row else 0
    return 0 <= now - made.moment.next_xid <= writers


def _has_rows(connection: Connection, table: str) -> bool:
    statement = sql.SQL(query("restore", "has_rows")).format(table=sql.Identifier(table))
    row = connection.execute(statement).fetchone()
    return bool(row and row[0])
