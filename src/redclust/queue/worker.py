"""One worker: who it is, its connection that comes back, and its heart."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self, TypeVar
from uuid import UUID, uuid4

import psycopg
import tenacity

from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import DatabaseUnreachable, SchemaMismatch
from redclust.logs import bound
from redclust.queue import claims
from redclust.queue.heart import Heart
from redclust.queue.lease import Lease, LeaseLost
from redclust.sql import query

#: Seconds that a worker waits for a database that went away.
RECONNECT_S = 300.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerId:
    """Who holds a job: an id that no other start ever has; host and pid are for people."""

    id: UUID = field(default_factory=uuid4)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


class Worker:
    """One process's share in the queue; a context manager.

    Its connections end a transaction in which nothing happens for ``lease_s``, so that a frozen worker cannot
    hold the row of its job. One thread works with it; only the heartbeat is another.
    """

    def __init__(
        self,
        database: Database,
        settings: QueueSettings,
        say: Callable[[str], None],
        *,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self.id = WorkerId()
        self._database, self._settings, self._say = database, settings, say
        self._reconnect_s = reconnect_s
        self._connection: Connection | None = None
        self._stopping = threading.Event()
        known = {"worker": self.id.id, "host": self.id.host, "pid": self.id.pid}
        self.heart = Heart(lambda: self._open("heartbeat"), known, settings, say)

    def __enter__(self) -> Self:
        self.heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heart.stop()
        if self._connection is not None:
            self._connection.close()

    def stop_waiting(self) -> None:
        """End a wait for the database at once; for a signal's handler."""
        self._stopping.set()

    def connection(self) -> Connection:
        """The worker's own connection (autocommit), opened anew where it was lost.

        Raises:
            DatabaseUnreachable: it did not come back for ``reconnect_s``.
        """
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = self._reopened()
        return self._connection

    def claim(self, *, only: Sequence[int] | None = None) -> Lease | None:
        """See :func:`redclust.queue.claims.claim`; where there is nothing, what is stuck is taken and tried.

        Raises:
            DatabaseUnreachable: as :meth:`connection`.
            SchemaMismatch: the database was migrated by a newer redclust.
        """

        def take(connection: Connection) -> Lease | None:
            lease = claims.claim(connection, self.id, self._settings, only=only)
            if lease is None and (rescued := claims.rescue(connection, self._settings)):
                for one in rescued:
                    with bound(job=one.name):
                        self._say(str(one))
                lease = claims.claim(connection, self.id, self._settings, only=only)
            return lease

        lease = self.reliably(take)
        return lease.of(self) if lease else None

    @contextmanager
    def page(self, lease: Lease) -> Generator[Connection]:
        """A transaction that begins with the fence; what is written in it is written while the job is ours.

        Raises:
            LeaseLost: the job was taken away; nothing was written.
            SchemaMismatch: the database was migrated by a newer redclust; nothing was written.
            psycopg.OperationalError: the connection ended in the block; where that was in its commit, only
                the job's checkpoint says whether the page is in.
        """

        def begin(connection: Connection) -> tuple[Connection, ExitStack]:
            with ExitStack() as stack:
                stack.enter_context(connection.transaction())
                lease.fence(connection)
                return connection, stack.pop_all()

        connection, transaction = self.reliably(begin)
        try:
            with transaction:
                yield connection
        except psycopg.Error as error:
            if self._was_lost(error) and not isinstance(error, psycopg.OperationalError):
                raise psycopg.OperationalError(str(error)) from error
            raise

    def write(self, lease: Lease, work: Callable[[Connection], T]) -> T:
        """``work`` in a :meth:`page`, once more where the connection ends, even if its commit has arrived.

        Raises:
            LeaseLost, SchemaMismatch: as :meth:`page`.
            DatabaseUnreachable: as :meth:`connection`.
        """

        def whole(_: Connection) -> T:
            with self.page(lease) as connection:
                return work(connection)

        return self.reliably(whole)

    def reliably(self, work: Callable[[Connection], T]) -> T:
        """Do ``work``, again on a new connection where the old one ends; for what may be done twice.

        Raises:
            DatabaseUnreachable: as :meth:`connection`.
        """
        try:
            return work(self.connection())
        except psycopg.Error as error:
            if not self._was_lost(error):
                raise
        return work(self.connection())

    def let_go(self, lease: Lease, error: BaseException | None) -> None:
        """End a job that its block did not end; where even that fails, the lease runs out by itself."""
        blameless = isinstance(error, DatabaseUnreachable | SchemaMismatch) or self._was_lost(error)
        failed = isinstance(error, Exception) and not blameless
        told = f"{type(error).__name__}: {error}"

        def end(connection: Connection) -> None:
            if failed:
                lease.fail(connection, told, retryable=True)
            else:
                lease.hand_back(connection, "interrupted" if error else "not finished")

        with suppress(LeaseLost, psycopg.Error, DatabaseUnreachable):
            self.reliably(end)

    def _was_lost(self, error: BaseException | None) -> bool:
        gone = self._connection is None or self._connection.closed or self._connection.broken
        # Not by the error's class: that of an ended idle transaction is another one than a restart's.
        return gone and isinstance(error, psycopg.Error)

    def _reopened(self) -> Connection:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseUnreachable),
            wait=tenacity.wait_random_exponential(0.1, 5),
            stop=tenacity.stop_after_delay(self._reconnect_s) | tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            reraise=True,
        )
        return retrying(lambda: self._open(""))

    def _open(self, role: str) -> Connection:
        connection = self._database.connect(autocommit=True, role=role)
        named_ms = self._database.connector.settings.statement_timeout_ms
        limit_ms = max(1, round(self._settings.lease_s * 1000))
        limits = {
            "statement_timeout_ms": limit_ms if named_ms is None else named_ms,
            "idle_in_transaction_timeout_ms": limit_ms,
        }
        connection.execute(query("db", "limit_session"), limits)
        return connection
