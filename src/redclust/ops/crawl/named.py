"""``crawl --sub``: some subreddits, now."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import RedditRefused
from redclust.logs import bound
from redclust.ops.crawl.hands import Hands
from redclust.ops.crawl.one import Outcome, crawl
from redclust.ops.crawl.request import PRIORITY, Request
from redclust.ops.crawl.state import Figures
from redclust.ops.crawl.telling import waits
from redclust.queue import Worker, enqueue, pauses
from redclust.reddit.client import Client
from redclust.report import Progress, Report
from redclust.sql import query

#: Seconds between two looks at a job that another worker crawls.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class CrawlReport(Report):
    """How each subreddit ended, and how many requests were sent for all of them by this process."""

    verb: ClassVar[str] = "crawl"
    subreddits: tuple[Outcome, ...]
    requests: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        if any(one.verdict in ("failed", "later") for one in self.subreddits):
            return RedditRefused.exit_code
        return 0 if all(one.whole for one in self.subreddits) else 3


def crawl_named(database: Database, request: Request, settings: Settings, progress: Progress) -> CrawlReport:
    """Enqueue these subreddits above all others and crawl them; what other workers take is waited for.

    Raises:
        ConfigError: credentials are missing.
        StopEveryone: Reddit refuses this client, or the budget is spent; what is not done stays enqueued.
        BreakerOpen: Reddit fails; likewise.
    """
    outcomes: list[Outcome] = []
    with (
        Client(settings.reddit, database, on_wait=waits(progress)) as client,
        Worker(database, settings.queue, progress.say) as worker,
    ):
        hands = Hands(worker, client, settings, threading.Event())
        options = request.options
        enqueued = worker.reliably(lambda c: enqueue(c, request.names, priority=PRIORITY, options=options))
        waiting: list[int] = [one.id for one in enqueued]
        while waiting:
            lease = worker.claim(only=waiting)
            if lease is not None:
                ids = bound(job=lease.job.name, job_id=lease.job.id, token=lease.job.token)
                with ids, progress.task(f"r/{lease.job.name}", unit="requests") as task:
                    outcomes.append(crawl(hands, lease, task))
                waiting.remove(lease.job.id)
                continue
            ended = worker.reliably(partial(_ended_elsewhere, waiting))
            outcomes += ended.values()
            waiting = [job for job in waiting if job not in ended]
            if waiting:
                time.sleep(_LOOK_S)
        return CrawlReport(tuple(outcomes), client.requests)


def _ended_elsewhere(jobs: list[int], connection: Connection) -> dict[int, Outcome]:
    """Of these jobs, none of which can be claimed, those that will not come to this worker."""
    paused = pauses(connection)
    ended: dict[int, Outcome] = {}
    for job, name, status, verdict, error, figures in connection.execute(
        query("crawl", "jobs_now"), {"ids": jobs}
    ):
        done = Figures.of(figures)
        if name is None:
            ended[job] = Outcome("", "lost", done, problem="the job was deleted")
        elif status == "completed":
            ended[job] = Outcome(name, verdict or "ok", done)
        elif status == "failed":
            ended[job] = Outcome(name, "failed", done, problem=error or "")
        elif status == "pending" and paused:
            ended[job] = Outcome(name, "handed back", done, problem=f"paused: {paused[0].reason}")
    return ended
