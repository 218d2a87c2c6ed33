"""One lock table for everything that must not run beside something else.

Advisory locks, shared or exclusive, each held on an idle connection of its own: a session lock outlives
``kill -9`` of its client for as long as the backend is inside a statement, and an idle backend is in none.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import IntEnum

import psycopg

from redclust.db.connect import Connection, Connector
from redclust.errors import DatabaseUnreachable, Locked
from redclust.sql import query

#: The first key of every advisory lock of redclust ("redc" in ASCII), and of those on a name ("redn").
LOCK_CLASS = 0x72656463
NAME_CLASS = 0x7265646E
_LONGEST_PAUSE_S = 1.0
# An application's name while it holds a lock that it had to wait for: its session began before that.
_NAME = re.compile(r"(?P<verb>.*?) lock(?: since (?P<since>\d{8}T\d{6}))?")
_STAMP = "%Y%m%dT%H%M%S"


class LockName(IntEnum):
    """What can be locked; the second key of the advisory lock.

    The modes in which each kind of work takes a lock are these; nothing takes another one.
    """

    #: The one lock of everything that works on the database as a whole. Exclusively: restore, migrations,
    #: maintenance, VACUUM FULL, reindex, cleaning. Shared: backup, drill, the swap of a precalc, vacuum.
    OPERATIONS = 1
    PRECALC = 2
    #: Writers that look ids up take it shared, deleters of what they look up take it exclusively.
    REFERENCES = 3
    IMPORT = 4
    #: Keeps two backups apart; taken after OPERATIONS.
    BACKUP = 5
    #: Keeps two refreshes apart.
    REFRESH = 6


_WHAT = {LockName.OPERATIONS: "the database", LockName.BACKUP: "backing up"}


@contextmanager
def hold(
    connector: Connector,
    name: LockName,
    *,
    shared: bool = False,
    wait_s: float = 0,
    on_wait: Callable[[str], None] = lambda told: None,
) -> Generator[Connection]:
    """Hold a lock until the block ends, on a session of its own.

    Who waits does so by asking again, never in the server's queue: one that waits for exclusiveness holds
    nobody up. ``on_wait`` is told once who is in the way.

    Raises:
        Locked: another run holds it for longer than ``wait_s``; the message says which and since when.
    """
    keys = {"class": LOCK_CLASS, "name": int(name)}
    what = _WHAT.get(name, name.name.lower())
    with _held(connector, keys, what, shared=shared, wait_s=wait_s, on_wait=on_wait) as connection:
        yield connection


@contextmanager
def hold_name(
    connector: Connector,
    name: str,
    *,
    wait_s: float = 0,
    on_wait: Callable[[str], None] = lambda told: None,
) -> Generator[Connection]:
    """Be the only one at work on what has this name, a database of the server, wherever that is about to be.

    Advisory locks are of one database: whoever makes, renames or drops another one holds its name in the
    database that ``connector`` is of. See :func:`hold`.

    Raises:
        Locked: another run holds it for longer than ``wait_s``; the message says which and since when.
    """
    key = zlib.crc32(name.encode())
    keys = {"class": NAME_CLASS, "name": key - 2**32 if key >= 2**31 else key}
    with _held(
        connector, keys, f"the database {name}", shared=False, wait_s=wait_s, on_wait=on_wait
    ) as connection:
        yield connection


@contextmanager
def _held(
    connector: Connector,
    keys: dict[str, int],
    what: str,
    *,
    shared: bool,
    wait_s: float,
    on_wait: Callable[[str], None],
) -> Generator[Connection]:
    statement = "try_lock_shared" if shared else "try_lock"
    with ExitStack() as sessions:
        connection = sessions.enter_context(connector.connect(autocommit=True, role="lock"))
        deadline, pause_s, waited = time.monotonic() + wait_s, 0.05, False
        while True:
            try:
                if _taken(connection, statement, keys):
                    break
                other = _holder(connection, keys)
            except psycopg.OperationalError:
                if not waited:
                    raise
                connection = sessions.enter_context(_again(connector, deadline))
                continue
            # Nobody to name: it ended between the two questions, so the lock is free.
            if other is None:
                continue
            if time.monotonic() >= deadline:
                raise Locked(
                    f"{what} is locked by another run: {other}",
                    hint="wait until it ends; a run that died gives its lock back by itself",
                )
            if not waited:
                on_wait(f"waits for {other}")
                waited = True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if waited:
            _say_since(connection, connector)
        try:
            yield connection
        finally:
            # Closing frees it too, but only once the server has noticed; our next run may be quicker.
            if not connection.closed and not connection.broken:
                connection.execute(query("db", "unlock_all"))


def _again(connector: Connector, deadline: float) -> Connection:
    """A session instead of the one that was ended while it only waited: it had nothing to lose.

    A restore may be exchanging the database at this moment; that is over soon.
    """
    while True:
        try:
            return connector.connect(autocommit=True, role="lock")
        except (DatabaseUnreachable, psycopg.OperationalError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LONGEST_PAUSE_S / 2)


def assure(held: Connection, name: LockName) -> None:
    """Before the act that a lock was taken for: is it still held?

    Raises:
        psycopg.OperationalError: its session has ended, and the lock with it.
    """
    held.execute(query("db", "lock_holder"), {"class": LOCK_CLASS, "name": int(name)})


def holder(connection: Connection, name: LockName) -> str | None:
    """Who holds a lock, in words: process id, application and since when; None where nobody does."""
    return _holder(connection, {"class": LOCK_CLASS, "name": int(name)})


def _holder(connection: Connection, keys: dict[str, int]) -> str | None:
    # The server shows a key as the unsigned number that it is inside.
    shown = {key: value % 2**32 for key, value in keys.items()}
    row = connection.execute(query("db", "lock_holder"), shown).fetchone()
    if row is None:
        return None
    pid, application, since, address = row
    machine = f" on {address}" if address else ""
    if told := _NAME.fullmatch(application):
        application = told["verb"]
        if told["since"]:
            since = datetime.strptime(told["since"], _STAMP).replace(tzinfo=UTC)
    # Another role's sessions tell their names only.
    at = f", since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"{application} (server process {pid}{machine}){at}"


def _say_since(connection: Connection, connector: Connector) -> None:
    name = f"redclust {connector.verb}"[:35] + f" lock since {datetime.now(UTC):{_STAMP}}"
    connection.execute(query("db", "set_parameter"), {"name": "application_name", "value": name})


def _taken(connection: Connection, statement: str, keys: dict[str, int]) -> bool:
    row = connection.execute(query("db", statement), keys).fetchone()
    return row is not None and bool(row[0])
