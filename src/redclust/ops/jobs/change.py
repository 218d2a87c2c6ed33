"""What an operator does to jobs: enqueue, retry, clear, change a priority, reset what is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redclust import queue
from redclust.config import QueueSettings
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.jobs.listing import no_job
from redclust.queue import Enqueued, Rescued
from redclust.reddit.names import subreddit_name
from redclust.report import Report
from redclust.sql import query

#: What may be cleared; a job that is being crawled has to end first.
CLEARABLE = ("failed", "completed", "pending")
#: Cleared where no status is named: what has ended.
_ENDED = ("failed", "completed")
#: Jobs deleted in one transaction.
_BATCH_ROWS = 5000


@dataclass(frozen=True, slots=True)
class EnqueueReport(Report):
    verb: ClassVar[str] = "jobs.enqueue"
    jobs: tuple[Enqueued, ...]
    priority: int


@dataclass(frozen=True, slots=True)
class RetryReport(Report):
    """``retried`` wait again; ``others`` were named and have not failed: their status, or None for no job."""

    verb: ClassVar[str] = "jobs.retry"
    retried: tuple[str, ...]
    others: dict[str, str | None]

    @property
    def ok(self) -> bool:
        return not self.others


@dataclass(frozen=True, slots=True)
class ClearReport(Report):
    """``cleared`` is by status: what was deleted, or with ``dry_run`` would be."""

    verb: ClassVar[str] = "jobs.clear"
    cleared: dict[str, int]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class PriorityReport(Report):
    """``status`` is the job's; one that is being crawled keeps the new priority for its next turn."""

    verb: ClassVar[str] = "jobs.priority"
    subreddit_name: str
    status: str
    priority: int


@dataclass(frozen=True, slots=True)
class ResetReport(Report):
    verb: ClassVar[str] = "jobs.reset-stuck"
    reset: tuple[Rescued, ...]
    crawling: int


def enqueue(database: Database, subreddits: Sequence[str], *, priority: int) -> EnqueueReport:
    """Let subreddits wait to be crawled, those crawled before as well.

    Raises:
        UsageError: none was named, or a name is none of a subreddit.
    """
    if not subreddits:
        raise UsageError("name the subreddits to enqueue", hint="redclust jobs enqueue golang, or --seed")
    names = [subreddit_name(name) for name in subreddits]
    with database.connect(autocommit=True) as connection:
        return EnqueueReport(tuple(queue.enqueue(connection, names, priority=priority)), priority)


def retry(database: Database, subreddits: Sequence[str]) -> RetryReport:
    """Let the failed jobs of these subreddits, or all failed jobs, wait again.

    Raises:
        UsageError: a name is none of a subreddit.
    """
    names = {name.lower(): name for name in map(subreddit_name, subreddits)}
    with database.connect() as connection:
        values = {"names": list(names) or None}
        retried = sorted(str(name) for (name,) in connection.execute(query("jobs", "retry"), values))
        done = {name.lower() for name in retried}
        left = [name for name in names if name not in done]
        statuses = dict(connection.execute(query("jobs", "statuses"), {"names": left}).fetchall())
    return RetryReport(tuple(retried), {names[name]: statuses.get(name) for name in left})


def clear(
    database: Database, *, status: str | None, older_than_s: float | None, dry_run: bool
) -> ClearReport:
    """Delete jobs with their past runs; what they crawled stays.

    Without a status: those that have ended. Works in batches, each a transaction; an interruption leaves the
    rest where it is.

    Raises:
        UsageError: as :func:`check_clear`.
    """
    check_clear(status, older_than_s)
    values = {"statuses": [status] if status else list(_ENDED), "older_than_s": older_than_s or 0}
    with database.connect(autocommit=True) as connection:
        if dry_run:
            counted = connection.execute(query("jobs", "count_ended"), values)
            return ClearReport({str(s): int(n) for s, n in counted}, dry_run=True)
        cleared: dict[str, int] = {}
        while True:
            batch = connection.execute(query("jobs", "clear"), {**values, "limit": _BATCH_ROWS}).fetchall()
            if not batch:
                return ClearReport(cleared, dry_run=False)
            for name, number in batch:
                cleared[str(name)] = cleared.get(str(name), 0) + int(number)


def check_clear(status: str | None, older_than_s: float | None) -> None:
    """What clear can do, before anybody is asked.

    Raises:
        UsageError: neither status nor age was given, or that status cannot be cleared.
    """
    if status is None and older_than_s is None:
        raise UsageError(
            "say which jobs to clear",
            hint="redclust jobs clear --status failed, or --older-than 30d, or both",
        )
    if status is not None and status not in CLEARABLE:
        raise UsageError(
            f"jobs that are {status} cannot be cleared: a worker holds them",
            hint=f"--status {', '.join(CLEARABLE)}",
        )


def priority(database: Database, subreddit: str, level: int) -> PriorityReport:
    """Change a job's priority; higher is earlier, 100 and more is urgent.

    Raises:
        UsageError: there is no such job, or it neither waits nor is it being crawled.
    """
    name = subreddit_name(subreddit)
    with database.connect(autocommit=True) as connection:
        values = {"name": name, "priority": level}
        row = connection.execute(query("jobs", "set_priority"), values).fetchone()
        if row is not None:
            return PriorityReport(str(row[0]), str(row[1]), level)
        found = connection.execute(query("jobs", "statuses"), {"names": [name.lower()]}).fetchone()
    if found is None:
        raise no_job(name)
    raise UsageError(
        f"the job of r/{name} is {found[1]} and waits for nothing",
        hint=f"redclust jobs enqueue {name} --priority {level}",
    )


def reset_stuck(database: Database, settings: QueueSettings, *, after_s: float | None) -> ResetReport:
    """Take jobs from workers that are silent, or have committed no page for so long; now, not in a while."""
    if after_s is not None:
        settings = settings.model_copy(update={"stuck_after_min": after_s / 60})
    with database.connect(autocommit=True) as connection:
        return ResetReport(tuple(queue.rescue(connection, settings)), queue.depth(connection).crawling)
