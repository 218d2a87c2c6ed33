"""Who gets which job, and from whom it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.queue.lease import Job, Lease, newer_schema
from redclust.sql import migrations, query

if TYPE_CHECKING:
    from redclust.queue.worker import WorkerId


@dataclass(frozen=True, slots=True)
class Rescued:
    """A job taken from its worker; ``status`` is ``pending``, or ``failed`` where its tries are used up."""

    name: str
    status: str
    attempts: int
    why: str
    host: str | None
    pid: int | None

    def __str__(self) -> str:
        by = f" (worker {self.pid} on {self.host})" if self.host else ""
        end = "" if self.status == "pending" else f"; given up after {self.attempts} tries"
        return f"Resetting stuck job {self.name}: {self.why}{by}{end}"


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs may run, wait for their time, and are being crawled; when the first may run."""

    ready: int
    later: int
    crawling: int
    next_at: datetime | None


def claim(
    connection: Connection, worker: WorkerId, settings: QueueSettings, *, only: Sequence[int] | None = None
) -> Lease | None:
    """Take the most urgent job that may run, or, of the jobs ``only``, one that waits; None: there is none.

    Higher priority first, raised by waiting (never up to 100); of equals the one that waits for longest. None
    too while the queue is paused.

    Raises:
        SchemaMismatch: the database was migrated by a newer redclust.
    """
    values: dict[str, Any] = {
        "worker": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "schema_version": len(migrations()),
        "lease_s": settings.lease_s,
        "deadline_s": settings.deadline_h * 3600,
    }
    if only is None:
        order = {
            "ageing_step_s": settings.ageing_step_min * 60,
            "ageing_levels": settings.ageing_levels,
        }
        row = connection.execute(query("queue", "claim"), {**values, **order}).fetchone()
    else:
        row = connection.execute(query("queue", "claim_one_of"), {**values, "ids": list(only)}).fetchone()
    if row is None:
        require_schema(connection)
        return None
    return Lease(Job(*row), worker, settings)


def require_schema(connection: Connection) -> None:
    """Raise where the database has a migration that this version does not know.

    Raises:
        SchemaMismatch: it has one.
    """
    row = connection.execute(query("queue", "schema_version")).fetchone()
    if row and row[0] > len(migrations()):
        raise newer_schema(row[0])


def rescue(connection: Connection, settings: QueueSettings) -> list[Rescued]:
    """Take jobs from workers that are silent, committed no page for too long, or are past their deadline.

    Any number may do it at once. A job that crashed its worker is free at once, one that hung after a
    backoff; one whose tries are used up has failed.
    """
    values = {
        "lease_s": settings.lease_s,
        "stuck_after_s": settings.stuck_after_min * 60,
        "retries": settings.retries,
        "backoff_s": settings.backoff_s,
        "backoff_max_s": settings.backoff_max_s,
        "jitter_ratio": settings.jitter_ratio,
    }
    connection.execute(query("queue", "end_frozen"), values)
    return [Rescued(*row) for row in connection.execute(query("queue", "rescue"), values)]


def release_all(connection: Connection, reason: str) -> int:
    """Take every job from whoever holds it, without counting a try; gives their number.

    For a database that has just been restored: its leases are those of the moment of the backup.
    """
    return connection.execute(query("queue", "release_all"), {"reason": reason}).rowcount


def depth(connection: Connection) -> Depth:
    """How much there is to do."""
    ready, later, crawling, next_at = connection.execute(query("queue", "depth")).fetchone() or (
        0,
        0,
        0,
        None,
    )
    return Depth(int(ready), int(later), int(crawling), next_at)
