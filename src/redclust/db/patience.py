"""Waiting for other sessions: never silently, never longer than was said, never in front of readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg import errors as pg
from psycopg import sql

from redclust.db import holders, watch
from redclust.db.connect import Connection
from redclust.db.holders import Holder
from redclust.duration import words
from redclust.sql import query

#: How long a statement may queue for an exclusive lock: so long new readers wait behind it.
QUEUE_MS = 1_000
#: How long readers go freely between two such tries.
_OPEN_S = 2.0
_LOOK_S = 0.25


class GaveUp(Exception):
    """Others were in the way for longer than was said."""

    def __init__(self, in_the_way: tuple[Holder, ...], wait_s: float) -> None:
        super().__init__(f"waited {words(wait_s)}")
        self.in_the_way = in_the_way


@dataclass(slots=True)
class Patience:
    """How long a session may wait for others in one piece of work, and who they were.

    ``say`` is told once of each. ``on_look`` is called at every look, and may end the work by raising.
    """

    session: Connection
    watcher: Connection
    wait_s: float
    say: Callable[[str], None]
    on_look: Callable[[], None]
    met: dict[tuple[int | None, str], Holder] = field(default_factory=dict[tuple[int | None, str], Holder])
    _waited_s: float = 0.0
    _looked_s: float | None = None

    def run(self, statement: sql.Composed) -> None:
        """Run a statement that waits for others inside the server, such as REINDEX CONCURRENTLY.

        Raises:
            GaveUp: it waited longer than ``wait_s``; it is cancelled.
            psycopg.Error: what the statement raises.
        """
        self._looked_s = None
        watch.run(self.session, statement, self._look, every_s=_LOOK_S)

    def run_exclusively(self, statement: sql.Composed, relation: int) -> None:
        """Run a statement that keeps all others out of a table, without making readers wait for the lock.

        It queues for :data:`QUEUE_MS` at a time, and not at all while a transaction that is older holds the
        table: readers wait no longer than that for the lock to be taken. Once it is taken they wait.

        Raises:
            GaveUp: the lock was not free for longer than ``wait_s``.
            psycopg.Error: what the statement raises.
        """
        self.session.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": QUEUE_MS})
        try:
            while True:
                inside = holders.of_relation(self.watcher, relation, strong=False, older_than_ms=QUEUE_MS)
                if not inside:
                    try:
                        watch.run(self.session, statement, self.on_look, every_s=_LOOK_S)
                        return
                    except pg.LockNotAvailable:
                        inside = holders.of_relation(self.watcher, relation, strong=False)
                self._wait_for(inside, _OPEN_S)
        finally:
            self.session.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": 0})

    def _look(self) -> None:
        self.on_look()
        found = holders.blocking(self.watcher, self.session.info.backend_pid)
        now_s = time.monotonic()
        passed_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        self._looked_s = now_s
        if found:
            self._met(found, passed_s)

    def _wait_for(self, inside: tuple[Holder, ...], pause_s: float) -> None:
        self._met(inside, 0.0)
        pause_s = min(pause_s, self.wait_s - self._waited_s)
        deadline_s = time.monotonic() + pause_s
        while time.monotonic() < deadline_s:
            self.on_look()
            time.sleep(_LOOK_S)
        self._met(inside, pause_s)

    def _met(self, found: tuple[Holder, ...], passed_s: float) -> None:
        for holder in found:
            if (holder.pid, holder.name) not in self.met:
                self.met[holder.pid, holder.name] = holder
                self.say(f"waits for {holder.words()}")
        self._waited_s += passed_s
        if self._waited_s >= self.wait_s:
            raise GaveUp(found, self._waited_s)
