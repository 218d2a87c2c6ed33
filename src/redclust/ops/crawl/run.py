"""``crawl run``: a worker that drains the queue."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import psycopg

from redclust.config import Settings
from redclust.db.session import Database
from redclust.duration import seconds
from redclust.errors import DatabaseUnreachable, RedclustError
from redclust.logs import bound
from redclust.ops.crawl.hands import Hands
from redclust.ops.crawl.one import Outcome, crawl
from redclust.ops.crawl.state import Figures
from redclust.ops.crawl.stopping import stopping
from redclust.ops.crawl.telling import in_a_line, waits
from redclust.queue import Lease, Worker, depth, enqueue_stale, pauses
from redclust.reddit.client import Client
from redclust.reddit.failures import BreakerOpen, BudgetSpent, RateLimited
from redclust.report import Progress, Report

log = logging.getLogger(__name__)

#: Seconds between two looks at a queue that has nothing to do.
_POLL_S = 1.0
#: Seconds between two looks for crawls that have grown old.
_STALE_S = 60.0


@dataclass(frozen=True, slots=True)
class RunReport(Report):
    """What one worker did: jobs by how they ended, all figures summed, and why it stopped.

    ``stopped``: ``by a signal``, ``empty``, ``paused``, ``jobs`` or ``time`` where a limit was reached.
    """

    verb: ClassVar[str] = "crawl.run"
    jobs: dict[str, int]
    requests: int
    posts_added: int
    comments_added: int
    broken: int
    discovered: int
    stopped: str
    duration_s: float

    @property
    def ok(self) -> bool:
        """Whether every job came to an end that is final; one that stopped in the middle is no fault.

        Who ends a service by a signal asks only whether it ended well.
        """
        if self.stopped == "by a signal":
            return True
        return not {"failed", "later"} & self.jobs.keys() and self.stopped != "paused"


@dataclass(frozen=True, slots=True)
class Limits:
    """When a worker ends by itself; without any it runs until a signal."""

    until_empty: bool = False
    max_jobs: int | None = None
    for_s: float | None = None


def run(database: Database, settings: Settings, limits: Limits, progress: Progress) -> RunReport:
    """Claim and crawl, job after job. SIGTERM ends it after the page in hand, within ten seconds.

    Where Reddit fails or refuses for a while the worker waits; crawls that have grown old are done again.

    Raises:
        CredentialsRefused, Blocked: no crawler gets anywhere; what was in hand waits.
        SchemaMismatch: the database was migrated by a newer version.
        DatabaseUnreachable: the database did not come back.
    """
    with Worker(database, settings.queue, progress.say) as worker, stopping(worker.stop_waiting) as stopped:
        client = Client(settings.reddit, database, interrupt=stopped, on_wait=waits(progress))
        with client:
            return _Loop(Hands(worker, client, settings, stopped), limits, progress).run()


class _Loop:
    def __init__(self, hands: Hands, limits: Limits, progress: Progress) -> None:
        self._hands, self._limits, self._progress = hands, limits, progress
        self._stopped = hands.stopped
        self._started = time.monotonic()
        self._outcomes: list[Outcome] = []
        self._stale_at = 0.0

    def run(self) -> RunReport:
        # A job in hand goes back at its next page when the time is up.
        timer = threading.Timer(self._limits.for_s or 0, self._stopped.set)
        timer.daemon = True
        if self._limits.for_s is not None:
            timer.start()
        try:
            why = self._work()
        except DatabaseUnreachable:
            # A signal ends the wait for a database that is away.
            if not self._stopped.is_set():
                raise
            why = "by a signal"
        finally:
            timer.cancel()
        return self._report(why)

    def _work(self) -> str:
        while (why := self._ends()) is None:
            self._let_old_ones_wait()
            lease = self._hands.worker.claim()
            if lease is not None:
                with bound(job=lease.job.name, job_id=lease.job.id, token=lease.job.token):
                    self._crawl(lease)
            elif (why := self._idle()) is not None:
                break
        return why or ""

    def _ends(self) -> str | None:
        limits = self._limits
        if limits.for_s is not None and time.monotonic() - self._started >= limits.for_s:
            return "time"
        if self._stopped.is_set():
            return "by a signal"
        return "jobs" if limits.max_jobs is not None and len(self._outcomes) >= limits.max_jobs else None

    def _crawl(self, lease: Lease) -> None:
        try:
            with self._progress.task(f"r/{lease.job.name}", unit="requests") as task:
                outcome = crawl(self._hands, lease, task)
        except (BreakerOpen, RateLimited, BudgetSpent) as error:
            log.warning("%s", error)
            self._progress.say(str(error))
            self._wait_for_reddit(error.retry_at)
            return
        except (RedclustError, psycopg.OperationalError):
            raise
        except Exception as error:
            log.exception("the crawl of r/%s failed", lease.job.name)
            problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
            outcome = Outcome(lease.job.name, "later", Figures(), problem=problem)
        if outcome.verdict in ("failed", "later"):
            log.error("%s", in_a_line(outcome))
        self._outcomes.append(outcome)
        self._progress.say(in_a_line(outcome))

    def _idle(self) -> str | None:
        """Wait a little; why to end instead, where the queue is to be drained and is."""
        if self._limits.until_empty:
            worker = self._hands.worker
            if worker.reliably(pauses):
                return "paused"
            found = worker.reliably(depth)
            if not found.ready + found.later + found.crawling:
                return "empty"
        self._stopped.wait(_POLL_S * random.uniform(0.5, 1.5))
        return None

    def _let_old_ones_wait(self) -> None:
        if time.monotonic() < self._stale_at:
            return
        self._stale_at = time.monotonic() + _STALE_S
        stale_after_s = seconds(self._hands.settings.crawl.stale_after)
        found = self._hands.worker.reliably(lambda c: enqueue_stale(c, stale_after_s=stale_after_s))
        if found:
            self._progress.say(f"{found:,} subreddits are crawled again: it was long ago")

    def _wait_for_reddit(self, until: datetime | None) -> None:
        """Until that time, or until somebody has closed the breaker or lifted the halt before."""
        while until is not None and datetime.now(UTC) < until and self._ends() is None:
            self._stopped.wait(_POLL_S)
            state = self._hands.client.budget()
            if state.closed_at is None and state.wait_s < _POLL_S:
                return

    def _report(self, why: str) -> RunReport:
        figures = [one.figures for one in self._outcomes]
        return RunReport(
            jobs=dict(Counter(one.verdict for one in self._outcomes)),
            requests=self._hands.client.requests,
            posts_added=sum(f.posts_added for f in figures),
            comments_added=sum(f.comments_added for f in figures),
            broken=sum(f.broken for f in figures),
            discovered=sum(one.discovered for one in self._outcomes),
            stopped=why,
            duration_s=time.monotonic() - self._started,
        )
