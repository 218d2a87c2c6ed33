"""Batches of rows that name one which is not there, taken out by two sessions by turns.

Most of what a batch costs is writing its rows to the quarantine, for which nobody needs to be kept out: while
one session does that, the other one removes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg import errors as pg

from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.db.session import Database
from redclust.ops.integrity import places
from redclust.ops.integrity.moment import Moment, one_moment
from redclust.ops.integrity.places import Places
from redclust.ops.integrity.steps import Step
from redclust.report import Silent, Task
from redclust.sql import query

#: A batch never waits longer than this in the queue for a lock: others queue behind it.
_LOCK_TIMEOUT_MS = 200
REFERENCES = {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
#: Batches that wait for the other session: it has the next one while this one works.
_WAITING = 2
#: Rows whose places are read at a time.
_ROWS_AT_ONCE = 20_000
#: By major version the first minor one that looks at a row's place again after it waited for its writer.
#: Those before remove what the row has become, which is not what was kept. Source: the release notes of
#: November 2025 (EvalPlanQual of TID scans).
_LOOKS_AGAIN = {15: 15, 16: 11, 17: 7, 18: 1}


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of a step from ``first`` to ``last``; ``taken`` says that all of them are out."""

    first: int
    last: int
    taken: bool = False

    @property
    def rows(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class _Work:
    """What keeps and what removes the rows at some places, composed once; see :attr:`Step.referred_to`."""

    referred_to: bool
    keep: bytes
    remove: bytes


class _NotAsFoundError(Exception):
    """Somebody wrote to a row meanwhile: nothing of its batch is done."""


def possible(server_version: int) -> bool:
    """Whether that server lets no row change unseen between being kept and being removed."""
    major, minor = divmod(server_version, 10_000)
    return minor >= _LOOKS_AGAIN.get(major, 0)


@dataclass(slots=True)
class Turns:
    """Two sessions, ``connection`` and one that is opened when it is needed."""

    database: Database
    connection: Connection
    _helper: Connection | None = None
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    #: What the other session was given last; whatever was given before has ended.
    _given: deque[Future[bool]] = field(default_factory=lambda: deque[Future[bool]](maxlen=_WAITING + 1))
    #: Who holds it removes. The two wait for each other here: writers queue behind who waits in the server.
    _removing: Lock = field(default_factory=Lock)

    def __enter__(self) -> Turns:
        places.register(self.connection)
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=not failed, cancel_futures=failed is not None)
        # Between two statements there is nothing to cancel: it would go on with the next one.
        while failed and self._helper is not None and not all(one.done() for one in self._given):
            with suppress(psycopg.Error):
                self._helper.cancel_safe(timeout=1)
            wait(self._given, timeout=0.05)
        if self._helper is not None:
            self._helper.close()

    def look(self, moment: Moment, looks: Callable[[Moment, Task], bool]) -> Future[bool]:
        """Let the other session look at the same moment meanwhile; wait for it before that ends."""
        return self._give(_look, self._other(), moment.name(), looks)

    def through(self, step: Step, batches: Sequence[Batch], values: Mapping[str, Any]) -> Generator[Batch]:
        """Take out each batch wholly or not at all; what is not taken is left to the caller.

        ``values`` are those of the step. The caller may use ``connection`` between two batches.
        """
        waiting = deque[tuple[Batch, Future[bool]]]()
        work = _Work(step.referred_to, *(one.as_bytes(self.connection) for one in step.by_turns()))
        for batch, at in self._places(step, batches):
            found = {**values, "first": batch.first, "places": at}
            if len(waiting) < _WAITING:
                waiting.append((batch, self._give(self._take, self._other(), work, found)))
            else:
                yield replace(batch, taken=self._take(self.connection, work, found))
                while waiting and waiting[0][1].done():
                    yield _settled(*waiting.popleft())
        while waiting:
            yield _settled(*waiting.popleft())

    def _give(self, what: Callable[..., bool], *arguments: object) -> Future[bool]:
        self._given.append(self._thread.submit(what, *arguments))
        return self._given[-1]

    def _other(self) -> Connection:
        if self._helper is None:
            self._helper = self.database.connect(bulk=True, autocommit=True)
            places.register(self._helper)
        return self._helper

    def _places(self, step: Step, batches: Sequence[Batch]) -> Generator[tuple[Batch, Places]]:
        """Each batch with the places of its rows, which are read for many batches at a time."""
        at_once = max(1, _ROWS_AT_ONCE // batches[0].rows)
        for number in range(0, len(batches), at_once):
            some = batches[number : number + at_once]
            first = some[0].first
            values = {"step": step.number, "first": first, "last": some[-1].last}
            row = self.connection.execute(query("integrity", "places"), values, binary=True).fetchone()
            found = Places.received(row[0] if row else b"")
            for batch in some:
                yield batch, found.part(batch.first - first, batch.last - first + 1)

    def _take(self, connection: Connection, work: _Work, values: Mapping[str, Any]) -> bool:
        """One transaction: rows into the quarantine, then out of their table if every one is wrong yet."""
        with (
            suppress(pg.LockNotAvailable, _NotAsFoundError),
            connection.pipeline() as line,
            connection.transaction(),
        ):
            begin(connection)
            # A row's place is given to no other one for as long as this session sees this moment.
            connection.execute(query("integrity", "hold_moment"))
            kept = connection.execute(work.keep, values)
            line.sync()
            _all(kept, values)
            with self._removing:
                if work.referred_to:
                    connection.execute(query("integrity", "lock_references"), REFERENCES)
                gone = connection.execute(work.remove, values)
                line.sync()
            _all(gone, values)
            return True
        return False


def _all(done: Cursor[Any], values: Mapping[str, Any]) -> None:
    if done.rowcount != len(values["places"]):
        raise _NotAsFoundError


def _look(connection: Connection, name: str, looks: Callable[[Moment, Task], bool]) -> bool:
    with one_moment(connection, read_only=True, same_as=name) as same, Silent().task("") as task:
        return looks(same, task)


def _settled(batch: Batch, taken: Future[bool]) -> Batch:
    return replace(batch, taken=taken.result())


def begin(connection: Connection) -> None:
    """Begin a batch's transaction: it waits for nobody for long."""
    connection.execute(query("integrity", "begin_batch"), {"limit_ms": _LOCK_TIMEOUT_MS})
