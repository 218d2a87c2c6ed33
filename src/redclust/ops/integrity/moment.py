"""One moment of the database, read without trust in any index."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from redclust.db.connect import Connection
from redclust.sql import query

#: Memory of each hash table, in each of the server's processes.
_WORK_MEM = "64MB"


@contextmanager
def one_moment(connection: Connection, *, read_only: bool) -> Generator[datetime]:
    """A transaction that sees one snapshot and reads tables instead of indexes; when it was taken.

    The processes of a parallel query share it. ``connection`` must be in autocommit.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = read_only
    try:
        with connection.transaction():
            connection.execute(query("integrity", "read_heaps"), {"work_mem": _WORK_MEM})
            row = connection.execute(query("integrity", "snapshot_at")).fetchone()
            if row is None:
                raise RuntimeError("the server does not know the time")
            yield row[0]
    finally:
        if not connection.closed:
            connection.isolation_level = connection.read_only = None
