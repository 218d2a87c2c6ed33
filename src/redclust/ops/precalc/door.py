"""The moment of a commit that nobody sees half of.

One transaction changes all of the graph, so each statement, each REPEATABLE READ transaction and each dump
sees a whole one by itself. What is left is a READ COMMITTED transaction that reads nodes before the commit
and links after it. ACCESS EXCLUSIVE locks would keep it out, but a dump or an analyst's transaction that has
read the tables keeps those locks away for hours, though it is in no danger, and busy readers leave no gap for
them. So new readers are held at the door for a moment, those inside are left to finish, and when nobody is
inside but those who keep a snapshot, the commit goes through.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle

import psycopg
from psycopg import errors as pg

from redclust.db.connect import Connection, Connector
from redclust.sql import query

#: The longest that readers are held at a time, and how long they go freely before it is tried again.
_CLOSED_S = 0.2
_OPEN_S = 0.01
#: How long to look out for a moment in which nobody has seen only one of the tables.
_LOOK_OUT_S = 0.1
_LOOK_AGAIN_S = 0.001
#: The server itself opens a door that its process has left closed, or whose commit is slow.
_DOOR_TIMEOUT_MS = 1500
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Door:
    """A session that waits for an exclusive lock on one table, and so holds new readers behind it."""

    session: Connection
    statement: str
    waiting: Future[object] | None = None

    def close(self, threads: ThreadPoolExecutor) -> None:
        self.waiting = threads.submit(self.session.execute, query("precalc", self.statement))

    def open(self) -> bool:
        """True unless the server had opened it before."""
        if self.waiting is None:
            return True
        with suppress(psycopg.Error):
            if not self.waiting.done():
                self.session.cancel_safe(timeout=5)
        # Through, cancelled, or out of time: it is open in each case.
        error = self.waiting.exception()
        self.waiting = None
        return error is None or isinstance(error, pg.QueryCanceled)


@dataclass(frozen=True, slots=True)
class Passage:
    """How long it took until nobody was between two looks; ``passed_by`` are those who were, in the end."""

    waited_ms: int
    passed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A transaction that has looked at the graph, at ``both`` tables; ``held`` where it waits at a door."""

    name: str
    both: bool
    held: bool


@dataclass(slots=True)
class Doorway:
    """The doors of nodes and links, and who is inside; made by :func:`doorway`."""

    _watch: Connection
    _own: list[int]
    _nodes: _Door
    _links: _Door
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    def close_when_empty(self, began_at: datetime, *, limit_s: float) -> Passage:
        """Return with both doors closed and nobody inside; the caller commits at once.

        After ``limit_s`` it returns with open doors and the names of those inside. Transactions that hold a
        snapshot from before ``began_at`` are waited for during half of that: they end soon, or keep it.
        """
        # Readers of nodes first get out when that door is closed first, however many they are; readers of
        # links first the other way round; of both kinds only where all inside have seen both.
        orders = cycle(([self._nodes, self._links], [self._links, self._nodes], None))
        started_s = time.monotonic()
        while True:
            passed_s = time.monotonic() - started_s
            since = began_at if passed_s > limit_s / 2 else _LONG_AGO
            order = next(orders)
            inside = self._one_by_one(order, since) if order else self._at_once(since)
            passed_s = time.monotonic() - started_s
            if not inside:
                return Passage(round(passed_s * 1000), ())
            self.open()
            if passed_s > limit_s:
                return Passage(round(passed_s * 1000), tuple(reader.name for reader in inside))
            time.sleep(_OPEN_S)

    def open(self) -> bool:
        """True unless the server has opened one before, because it was closed for too long."""
        in_time = [door.open() for door in (self._nodes, self._links)]
        return all(in_time)

    def end(self) -> None:
        self.open()
        self._threads.shutdown()

    def _one_by_one(self, doors: list[_Door], since: datetime) -> list[_Reader]:
        """Close a door, let those inside finish, close the other; who is inside in the end."""
        inside: list[_Reader] = []
        for door in doors:
            inside = self._closed([door], since)
            if inside:
                break
        return inside

    def _at_once(self, since: datetime) -> list[_Reader]:
        """Close both doors when all those inside have seen both tables; who is inside in the end."""
        until_s = time.monotonic() + _LOOK_OUT_S
        while any(not reader.both for reader in self._inside(since)) and time.monotonic() < until_s:
            time.sleep(_LOOK_AGAIN_S)
        return self._closed([self._nodes, self._links], since)

    def _closed(self, doors: list[_Door], since: datetime) -> list[_Reader]:
        """Close doors and wait for those inside to leave; give up on one that is held at a door itself."""
        until_s = time.monotonic() + _CLOSED_S
        for door in doors:
            door.close(self._threads)
        closing = [door.session.info.backend_pid for door in doors]
        while self._waiting(closing) < len(closing):
            if time.monotonic() > until_s:
                return self._inside(since) or [_Reader("a door that did not close in time", False, False)]
            time.sleep(_LOOK_AGAIN_S)
        while inside := self._inside(since):
            if any(reader.held for reader in inside) or time.monotonic() > until_s:
                return inside
            time.sleep(_LOOK_AGAIN_S)
        return []

    def _waiting(self, doors: list[int]) -> int:
        row = self._watch.execute(query("precalc", "doors_closed"), {"doors": doors}).fetchone()
        return int(row[0]) if row else 0

    def _inside(self, since: datetime) -> list[_Reader]:
        rows = self._watch.execute(query("precalc", "readers_inside"), {"own": self._own, "since": since})
        return [
            _Reader(f"{name or 'a session'} (server process {pid})", both, held)
            for pid, name, both, held in rows
        ]


@contextmanager
def doorway(connector: Connector, watch: Connection, swapper: Connection) -> Generator[Doorway]:
    """Two sessions ready to hold readers, and one that watches; ``swapper`` is whose commit it is about."""
    with ExitStack() as stack:
        nodes = _door(stack.enter_context(connector.connect(autocommit=True, role="door")), "nodes")
        links = _door(stack.enter_context(connector.connect(autocommit=True, role="door")), "links")
        own = [session.info.backend_pid for session in (swapper, nodes.session, links.session)]
        ready = Doorway(watch, own, nodes, links)
        stack.callback(ready.end)
        yield ready


def _door(session: Connection, table: str) -> _Door:
    values = {"limit_ms": _DOOR_TIMEOUT_MS, "local": False}
    session.execute(query("precalc", "limit_lock_waits"), values)
    return _Door(session, f"close_door_of_{table}")
