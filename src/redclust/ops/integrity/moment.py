"""One moment of the database, read without trust in any index."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.ops.integrity import members
from redclust.ops.integrity.catalogue import Rows
from redclust.ops.integrity.members import Members
from redclust.report import Task
from redclust.sql import query

#: Memory of each hash table, in each of the server's processes.
_WORK_MEM = "64MB"


#: Tables whose ids are numbers that stand close together.
_NUMBERED = frozenset({"subreddits", "users", "posts", "comments"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot, when it was taken, and the ids that have been read of it.

    ``answers`` are rows and first keys by check, as one pass for several (``passed``) has found them; none
    where it could not.
    """

    connection: Connection
    at: datetime
    answers: dict[str, tuple[int, tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[int, tuple[str, ...]]]
    )
    passed: set[str] = field(default_factory=set[str])
    _members: dict[str, Members | None] = field(default_factory=dict[str, "Members | None"])

    def name(self) -> str:
        """What another session joins it by, as long as this transaction lasts."""
        row = self.connection.execute(query("integrity", "name_moment")).fetchone()
        if row is None:
            raise RuntimeError("a snapshot has no name")
        return str(row[0])

    def members(self, table: str, task: Task) -> Members | None:
        """The ids of a table, read once; None where they cannot be held as bits."""
        if table not in _NUMBERED:
            return None
        if table not in self._members:
            self._members[table] = members.read(self.connection, table, task)
        return self._members[table]

    def set_for(self, rows: Rows, task: Task) -> dict[str, Any] | None:
        """The parameters with which these rows are found by a set; None where they are found by a join."""
        if rows.query == "comment_subreddit_differs":
            posts = self.members("posts", task)
            return posts.parameters(of_values=True) if posts and posts.values else None
        found = self.members(rows.parent, task) if rows.query == "dangling" and rows.parent else None
        return found.parameters() if found else None

    def unique(self, rows: Rows, task: Task) -> bool:
        """Whether it is known already that no two rows have the same key."""
        found = self.members(rows.table, task) if rows.query == "repeated" and rows.key == ("id",) else None
        return found is not None and found.distinct == found.rows


@contextmanager
def one_moment(connection: Connection, *, read_only: bool, same_as: str | None = None) -> Generator[Moment]:
    """A transaction that sees one snapshot and reads tables instead of indexes.

    The processes of a parallel query share it, and so does a session that begins with the same one
    (``same_as``, by its :meth:`Moment.name`). ``connection`` must be in autocommit.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = read_only
    try:
        with connection.transaction():
            if same_as is not None:
                join = sql.SQL(query("integrity", "join_moment")).format(moment=sql.Literal(same_as))
                connection.execute(join)
            connection.execute(query("integrity", "read_heaps"), {"work_mem": _WORK_MEM})
            row = connection.execute(query("integrity", "snapshot_at")).fetchone()
            if row is None:
                raise RuntimeError("the server does not know the time")
            yield Moment(connection, row[0])
    finally:
        if not connection.closed:
            connection.isolation_level = connection.read_only = None
