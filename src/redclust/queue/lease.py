"""A job in the hands of one worker, and what it may do with it while it is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.errors import Locked, SchemaMismatch
from redclust.secrets import without_secrets
from redclust.sql import migrations, query

if TYPE_CHECKING:
    from redclust.queue.worker import Worker, WorkerId

#: Characters of an error that are kept.
_ERROR_CHARACTERS = 2000


class LeaseLost(Locked):
    """The job was taken from this worker: reset, moved by plain SQL, deleted, or given to another one."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job.

    ``attempts`` counts tries in a row without a committed page, this one included; ``checkpoint`` is what the
    last committed page left, None at the beginning; ``token`` is what every write is fenced with.
    """

    id: int
    name: str
    token: int
    priority: int
    attempts: int
    options: dict[str, Any]
    checkpoint: dict[str, Any] | None
    pages: int


class Lease:
    """One claim of one job.

    As a context manager it is kept alive by its worker's heartbeat; who leaves the block without having ended
    the job hands it back (an interruption) or fails it, to be tried again (an error).
    """

    def __init__(self, job: Job, holder: WorkerId, settings: QueueSettings) -> None:
        self.job = job
        self._holder, self._settings = holder, settings
        self._worker: Worker | None = None
        self._lost = self._newer_schema = False
        self._pause = ""
        self._ended = False

    def of(self, worker: Worker) -> Self:
        """Let this worker's heart beat for it while the block lasts."""
        self._worker = worker
        return self

    def __enter__(self) -> Self:
        if self._worker is not None:
            self._worker.heart.hold(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker = self._worker
        if worker is None:
            return
        worker.heart.release(self)
        # An end whose commit failed was none; if it was one after all, the fence says so.
        if not self._lost and (error is not None or not self._ended):
            worker.let_go(self, error)

    @property
    def identity(self) -> dict[str, Any]:
        """What every fenced statement asks for."""
        return {"id": self.job.id, "token": self.job.token, "worker": self._holder.id}

    @property
    def interrupted(self) -> str | None:
        """Why the worker should stop after the page in hand, as the heartbeat saw it; None: go on.

        After a loss nothing can be written any more; otherwise the job is to be handed back.
        """
        if self._lost:
            return "the job was taken away"
        if self._newer_schema:
            return "the database's schema is newer than this redclust"
        return f"paused: {self._pause}" if self._pause else None

    def seen(self, *, held: bool, pause: str | None, schema_version: int) -> None:
        """What a heartbeat found."""
        self._lost = self._lost or not held
        self._pause = pause or ""
        self._newer_schema = schema_version > len(migrations())

    def fence(self, connection: Connection) -> None:
        """Check that the job is still ours and lock its row; the first statement of a page's transaction.

        Until that transaction ends nobody can take the job, so what it writes is never a stale write.

        Raises:
            LeaseLost: it is ours no more; nothing may be written.
            SchemaMismatch: the database was migrated by a newer redclust; hand the job back and end.
        """
        row = connection.execute(query("queue", "fence"), self.identity).fetchone()
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise RuntimeError("a fence outside a transaction guards nothing")
        if row is None:
            raise self._is_lost()
        if row[0] > len(migrations()):
            self._newer_schema = True
            raise newer_schema(row[0])

    def checkpoint(self, connection: Connection, state: Mapping[str, Any]) -> None:
        """Commit, with the page's rows, where the crawl goes on after it; the lease begins anew.

        Raises:
            LeaseLost: as :meth:`fence`.
        """
        values = {"state": Jsonb(dict(state)), "lease_s": self._settings.lease_s}
        self._fenced(connection, "checkpoint", values)

    def complete(
        self, connection: Connection, verdict: str, *, figures: Mapping[str, Any] | None = None
    ) -> None:
        """The crawl came to its end; ``verdict`` says how (``ok``, or a permanent fact like ``private``).

        Raises:
            LeaseLost: as :meth:`fence`.
        """
        self._fenced(connection, "complete", {"verdict": verdict, **self._run(figures)})
        self._ended = True

    def fail(
        self,
        connection: Connection,
        error: str,
        *,
        retryable: bool,
        after_s: float = 0,
        figures: Mapping[str, Any] | None = None,
    ) -> datetime | None:
        """The try failed. Gives when the next one may begin, None where the job has failed for good.

        Waits at least ``after_s``, and the backoff. Secrets are taken out of the text.

        Raises:
            LeaseLost: as :meth:`fence`.
        """
        settings = self._settings
        values = {
            "error": cleaned(error),
            "retryable": retryable,
            "retries": settings.retries,
            "after_s": after_s,
            "backoff_s": settings.backoff_s,
            "backoff_max_s": settings.backoff_max_s,
            "jitter_ratio": settings.jitter_ratio,
            **self._run(figures),
        }
        row = connection.execute(query("queue", "fail"), {**self.identity, **values}).fetchone()
        if row is None:
            raise self._is_lost()
        self._ended = True
        at: datetime | None = row[0]
        return at

    def hand_back(
        self,
        connection: Connection,
        reason: str,
        *,
        after_s: float = 0,
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        """Let the job wait at its checkpoint, first in its turn or not before ``after_s``; no try is lost.

        Raises:
            LeaseLost: as :meth:`fence`.
        """
        values = {"reason": cleaned(reason), "after_s": after_s, **self._run(figures)}
        self._fenced(connection, "hand_back", values)
        self._ended = True

    def _run(self, figures: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"host": self._holder.host, "pid": self._holder.pid, "figures": Jsonb(dict(figures or {}))}

    def _fenced(self, connection: Connection, name: str, values: Mapping[str, Any]) -> None:
        if not connection.execute(query("queue", name), {**self.identity, **values}).rowcount:
            raise self._is_lost()

    def _is_lost(self) -> LeaseLost:
        self._lost = True
        return LeaseLost(
            f"the job of r/{self.job.name} was taken from this worker",
            hint=f"redclust jobs show {self.job.name} says by whom; nothing of it was written twice",
        )


def newer_schema(version: int) -> SchemaMismatch:
    """A worker that runs on while the database is migrated must stop."""
    return SchemaMismatch(
        f"the schema is newer (version {version}) than this redclust knows ({len(migrations())}); "
        "the worker stops",
        hint="upgrade redclust and start the worker again",
    )


def cleaned(text: str) -> str:
    """An error as it may stand in a table: no secret, no NUL, not endless."""
    return without_secrets(text).replace("\0", "")[:_ERROR_CHARACTERS]
