"""``jobs list`` and ``jobs show``: the jobs, who is at work, and how past tries ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.queue import Pause, pauses
from redclust.reddit.names import subreddit_name
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job.

    ``urgency`` is the priority raised by waiting, which decides whose turn it is; it and ``run_at``, before
    which the job waits, are None unless it is pending. ``host`` to ``lease_until`` are its worker's.
    """

    subreddit_name: str
    status: str
    priority: int
    urgency: int | None
    attempts: int
    pages: int
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    verdict: str | None
    error_message: str | None
    host: str | None
    pid: int | None
    heartbeat_at: datetime | None
    page_at: datetime | None
    lease_until: datetime | None
    options: dict[str, Any]
    checkpoint: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A worker; ``silent_s`` is how long ago it was heard, ``job`` the subreddit it holds."""

    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    silent_s: float
    job: str | None


@dataclass(frozen=True, slots=True)
class PastRun:
    """One try; ``outcome`` is completed, failed, retry, handed back, reset (by a rescuer) or taken away."""

    outcome: str
    started_at: datetime | None
    finished_at: datetime
    host: str | None
    pid: int | None
    pages: int
    verdict: str | None
    error_message: str | None
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobsReport(Report):
    """``counts`` is by status and of all jobs; ``jobs`` are the first ``limit`` that fit."""

    verb: ClassVar[str] = "jobs.list"
    counts: dict[str, int]
    jobs: tuple[JobLine, ...]
    more: bool
    workers: tuple[WorkerLine, ...]
    pauses: tuple[Pause, ...]


@dataclass(frozen=True, slots=True)
class ShowReport(Report):
    verb: ClassVar[str] = "jobs.show"
    job: JobLine
    runs: tuple[PastRun, ...]


def jobs(
    database: Database,
    settings: QueueSettings,
    *,
    subreddits: Sequence[str] = (),
    status: str | None = None,
    limit: int = 20,
) -> JobsReport:
    """The jobs of these subreddits and this status, or all, in the order in which they concern one.

    Raises:
        UsageError: a name is none of a subreddit.
    """
    names = [subreddit_name(name).lower() for name in subreddits] or None
    with database.connect(autocommit=True) as connection:
        lines = lines_of(connection, settings, names=names, status=status, limit=limit + 1)
        return JobsReport(
            counts={str(s): int(n) for s, n in connection.execute(query("jobs", "counts"))},
            jobs=tuple(lines[:limit]),
            more=len(lines) > limit,
            workers=tuple(workers(connection, settings)),
            pauses=tuple(pauses(connection)),
        )


def show(database: Database, settings: QueueSettings, subreddit: str, *, limit: int = 10) -> ShowReport:
    """One job with all that is known of it, and its newest tries.

    Raises:
        UsageError: there is no such job.
    """
    with database.connect(autocommit=True) as connection:
        job = one_job(connection, settings, subreddit)
        values = {"name": job.subreddit_name, "limit": limit}
        return ShowReport(
            job, tuple(PastRun(*row) for row in connection.execute(query("jobs", "runs"), values))
        )


def lines_of(
    connection: Connection,
    settings: QueueSettings,
    *,
    names: list[str] | None = None,
    status: str | None = None,
    limit: int = 1,
) -> list[JobLine]:
    """Jobs by lower-case names, status, or both; None is all."""
    values = {"names": names, "status": status, "limit": limit, **ageing(settings)}
    return [JobLine(*row) for row in connection.execute(query("jobs", "list"), values)]


def one_job(connection: Connection, settings: QueueSettings, subreddit: str) -> JobLine:
    """The job of a subreddit as people write its name.

    Raises:
        UsageError: the name is none, or has no job.
    """
    name = subreddit_name(subreddit)
    lines = lines_of(connection, settings, names=[name.lower()])
    if not lines:
        raise no_job(name)
    return lines[0]


def no_job(name: str) -> UsageError:
    return UsageError(f"r/{name} has no job", hint=f"redclust jobs enqueue {name}")


def workers(connection: Connection, settings: QueueSettings) -> list[WorkerLine]:
    """Who is at work: heard within the time of a lease."""
    found = (WorkerLine(*row) for row in connection.execute(query("jobs", "workers")))
    return [worker for worker in found if worker.silent_s <= settings.lease_s]


def ageing(settings: QueueSettings) -> dict[str, Any]:
    """What the queries that compute an urgency ask for."""
    return {"ageing_step_s": settings.ageing_step_min * 60, "ageing_levels": settings.ageing_levels}
