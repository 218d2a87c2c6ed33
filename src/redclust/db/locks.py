"""One lock table for everything that must not run beside something else.

Advisory locks, shared or exclusive, each held on an idle connection of its own: a session lock outlives
``kill -9`` of its client for as long as the backend is inside a statement, and an idle backend is in none.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum

from redclust.db.connect import Connection, Connector
from redclust.errors import Locked
from redclust.sql import query

#: The first key of every advisory lock of redclust ("redc" in ASCII).
LOCK_CLASS = 0x72656463


class LockName(IntEnum):
    """What can be locked; the second key of the advisory lock."""

    MIGRATE = 1
    PRECALC = 2
    #: Writers that look ids up take it shared, deleters of what they look up take it exclusively.
    REFERENCES = 3
    IMPORT = 4


@contextmanager
def hold(
    connector: Connector, name: LockName, *, shared: bool = False, wait_s: float = 0
) -> Generator[Connection]:
    """Hold a lock until the block ends, on a session of its own.

    Raises:
        Locked: another run holds it for longer than ``wait_s``; the message says which.
    """
    statement = "try_lock_shared" if shared else "try_lock"
    keys = {"class": LOCK_CLASS, "name": int(name)}
    with connector.connect(autocommit=True, role="lock") as connection:
        deadline = time.monotonic() + wait_s
        while not _taken(connection, statement, keys):
            other = holder(connection, name)
            # Nobody to name: it ended between the two questions, so the lock is free.
            if other is not None and time.monotonic() >= deadline:
                raise Locked(
                    f"{name.name.lower()} is locked by another run: {other}",
                    hint="wait until it ends; a run that died gives its lock back by itself",
                )
            time.sleep(0.05)
        try:
            yield connection
        finally:
            # Closing frees it too, but only once the server has noticed; our next run may be quicker.
            if not connection.closed and not connection.broken:
                connection.execute(query("db", "unlock_all"))


def holder(connection: Connection, name: LockName) -> str | None:
    """Who holds a lock, in words: process id, application and since when; None where nobody does."""
    row = connection.execute(query("db", "lock_holder"), {"class": LOCK_CLASS, "name": int(name)}).fetchone()
    if row is None:
        return None
    pid, application, since, address = row
    machine = f" on {address}" if address else ""
    # Another role's sessions tell their names only.
    at = f", since {since:%H:%M:%S} UTC" if since else ""
    return f"{application.removesuffix(' lock')} (server process {pid}{machine}){at}"


def _taken(connection: Connection, statement: str, keys: dict[str, int]) -> bool:
    row = connection.execute(query("db", statement), keys).fetchone()
    return row is not None and bool(row[0])
