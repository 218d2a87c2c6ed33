"""The exchange of two databases' names, in one transaction, while nobody can come in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.db import databases
from redclust.db.connect import Connection, Connector
from redclust.db.databases import Session
from redclust.errors import DatabaseUnreachable, Locked, RedclustError, Refused
from redclust.sql import query

#: How long the names are waited for, and a server that went away at the very moment of the commit.
_LOCK_TIMEOUT_MS = 10_000
_RETURN_S = 60
_LOOK_AGAIN_S = 0.01
_Renaming = Future[psycopg.Cursor[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """``incoming`` takes the name ``live``; what has that name becomes ``kept``."""

    live: str
    incoming: str
    kept: str


def exchange(
    server: Connector,
    wanted: Exchange,
    *,
    may_end: Callable[[Session], bool],
    own: Connection | None = None,
) -> list[Session]:
    """Give both databases their new names at once; the sessions that were ended for it.

    A rename takes the database's name first: from then on new sessions wait, and once it is committed find
    the new database, or an error to try again after. Those inside are ended where ``may_end`` says so, or
    leave by themselves within the 5 s that Postgres waits for them. ``own`` is this run's session in the live
    database (it holds the lock there), which is closed when nobody can come in any more. A killed run leaves
    both names as they were.

    Raises:
        Refused: somebody else is connected who may not be ended (named); nothing has changed.
        Locked: the name is held by another session for longer than 10 s; nothing has changed.
        DatabaseUnreachable: this role may not rename; or the server went away and did not come back, and
            the message says how to see which of the two is live.
    """
    with server.connect(autocommit=True, role="watch") as watch:
        incoming = databases.oid(watch, wanted.incoming)
    if incoming is None:
        raise RedclustError(f"the database {wanted.incoming} is gone")
    ended: list[Session] = []
    try:
        with (
            ThreadPoolExecutor(1) as threads,
            server.connect(bulk=True, role="swap") as swapper,
            server.connect(autocommit=True, role="watch") as watch,
        ):
            limit = {"name": "lock_timeout", "value": str(_LOCK_TIMEOUT_MS)}
            swapper.execute(query("db", "set_parameter"), limit)
            step = _Step(threads, swapper, watch, may_end, ended)
            step.rename(wanted.live, wanted.kept, own)
            step.rename(wanted.incoming, wanted.live, None)
            swapper.commit()
    except psycopg.OperationalError as error:
        if isinstance(error, (pg.QueryCanceled, pg.LockNotAvailable)):
            raise
        # The connection broke; whether before or after the commit only the server knows.
        if not _became(server, wanted, incoming):
            raise
    return ended


@dataclass(frozen=True, slots=True)
class _Step:
    """One of the two renames, in the transaction of both."""

    threads: ThreadPoolExecutor
    swapper: Connection
    watch: Connection
    may_end: Callable[[Session], bool]
    ended: list[Session]

    def rename(self, name: str, to: str, own: Connection | None) -> None:
        oid = databases.oid(self.watch, name)
        if oid is None:  # nothing is live: there is nobody to wait for
            return
        statement = sql.SQL(query("databases", "rename"))
        composed = statement.format(name=sql.Identifier(name), to=sql.Identifier(to))
        renaming = self.threads.submit(self.swapper.execute, composed)
        try:
            _await_name(self.watch, self.swapper, oid, renaming)
            pid = own.info.backend_pid if own else 0
            if own is not None:
                own.close()
            strangers = [one for one in databases.sessions(self.watch, name) if not self._gone(one, pid)]
        except BaseException:
            self.swapper.cancel_safe(timeout=5)
            raise
        if strangers:  # Postgres would wait 5 s for them, in vain
            self.swapper.cancel_safe(timeout=5)
        _settle(renaming, strangers, name)

    def _gone(self, one: Session, own_pid: int) -> bool:
        """Whether a session is out of the way, or will be in a moment."""
        if one.pid == own_pid:
            return True
        if not self.may_end(one):
            return False
        with suppress(pg.InsufficientPrivilege):
            self.watch.execute(query("databases", "end_session"), {"pid": one.pid})
            self.ended.append(one)
        return True


def _await_name(watch: Connection, swapper: Connection, oid: int, renaming: _Renaming) -> None:
    values = {"oid": oid, "pid": swapper.info.backend_pid}
    while not renaming.done():
        row = watch.execute(query("databases", "holds_name"), values).fetchone()
        if row is not None and row[0]:
            return
        time.sleep(_LOOK_AGAIN_S)


def _settle(renaming: _Renaming, strangers: list[Session], name: str) -> None:
    try:
        renaming.result()
    except (pg.QueryCanceled, pg.ObjectInUse) as error:
        named = ", ".join(map(str, strangers)) or (error.diag.message_detail or "somebody")
        raise Refused(
            f"{name} is in use by {named}; nothing was changed",
            hint="end those sessions, or add --terminate",
        ) from None
    except pg.LockNotAvailable:
        raise Locked(
            f"another session keeps the name {name} locked; nothing was changed", hint="try again"
        ) from None
    except pg.DuplicateDatabase as error:
        raise Refused(f"{error.diag.message_primary}; nothing was changed", hint="try again") from None


def _became(server: Connector, wanted: Exchange, incoming: int) -> bool:
    """Whether the exchange was committed, asked of a server that has just gone away."""
    deadline = time.monotonic() + _RETURN_S
    while True:
        try:
            with server.connect(autocommit=True, role="watch") as watch:
                return databases.oid(watch, wanted.live) == incoming
        except (DatabaseUnreachable, psycopg.OperationalError) as error:
            if time.monotonic() > deadline:
                raise DatabaseUnreachable(
                    f"the server went away while {wanted.live} and {wanted.incoming} were exchanged, and "
                    f"does not come back: {error}",
                    hint=f"where a database {wanted.kept} exists, the exchange was made; else nothing was",
                ) from None
            time.sleep(0.5)
