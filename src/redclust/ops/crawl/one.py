"""The crawl of one subreddit: step after step, each page in one transaction, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from redclust.db.connect import Connection
from redclust.duration import seconds
from redclust.errors import UsageError
from redclust.ops.crawl.asking import Asking, Fact, NotShown
from redclust.ops.crawl.hands import Hands
from redclust.ops.crawl.reach import OPTIONS, Reach
from redclust.ops.crawl.state import Figures, State
from redclust.ops.crawl.storing import Storing
from redclust.queue import Lease, LeaseLost, enqueue_new
from redclust.reddit.failures import BreakerOpen, Interrupted, Retryable, StopEveryone
from redclust.reddit.names import subreddit_name
from redclust.report import Task
from redclust.sql import query
from redclust.store.pages import PageWriter


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the crawl of one subreddit ended.

    ``verdict``: ``ok``; a fact about the subreddit (``private``, ``banned``, …); ``failed``; ``later`` where
    it is tried again by itself; ``handed back`` where it goes on at its last page; ``lost`` where it was
    taken from this worker. ``pages`` and ``figures`` are of the whole crawl, other workers included.
    """

    name: str
    verdict: str
    figures: Figures
    discovered: int = 0
    again_at: datetime | None = None
    problem: str = ""

    @property
    def whole(self) -> bool:
        """Everything that Reddit shows and that was asked for is stored."""
        return self.verdict == "ok" and not self.figures.broken and not self.figures.skipped


def crawl(hands: Hands, lease: Lease, task: Task) -> Outcome:
    """Crawl one claimed job, from its checkpoint to its end.

    Raises:
        StopEveryone: no crawler gets anywhere; the job has been handed back.
        BreakerOpen: nor does this one for now; the job has been handed back.
        SchemaMismatch, DatabaseUnreachable: as :class:`~redclust.queue.Worker`; likewise.
    """
    with lease:
        try:
            reach = Reach.of(lease.job.options, hands.settings.crawl)
            name = subreddit_name(lease.job.name)
        except UsageError as error:
            problem = str(error)
            hands.worker.write(lease, lambda c: lease.fail(c, problem, retryable=False))
            return Outcome(lease.job.name, "failed", Figures(), problem=problem)
        return _Run(hands, lease, name, reach, task).run()


class _Run:
    """The run of one job."""

    def __init__(self, hands: Hands, lease: Lease, name: str, reach: Reach, task: Task) -> None:
        self._hands, self._lease, self._reach, self._task = hands, lease, reach, task
        self._asking = Asking(hands.client, name, reach)
        self._storing = Storing(name, lease.job.id, reach)
        self._state = State.of(lease.job.checkpoint)
        self._discovered = 0

    def run(self) -> Outcome:
        try:
            while self._state.step != "end":
                if self._hands.stopped.is_set() or self._lease.interrupted:
                    return self._hand_back(self._lease.interrupted or "the worker was stopped")
                self._one_page()
            self._finish()
        except LeaseLost as lost:
            return self._outcome("lost", problem=str(lost))
        except Interrupted:
            return self._hand_back("the worker was stopped")
        except Fact as fact:
            return self._store_fact(fact)
        except (BreakerOpen, StopEveryone) as error:
            self._hand_back(str(error))
            raise
        except Retryable as error:
            return self._fail(error)
        return self._outcome("ok", discovered=self._discovered)

    def _one_page(self) -> None:
        state = self._state
        try:
            answer = self._asking.ask(state, self._hands.worker)
        except NotShown:
            self._commit(lambda c, _: self._storing.pass_over(state, c, counted="unavailable"))
            return
        except Retryable as error:
            last_try = self._lease.job.attempts > self._hands.settings.queue.retries
            if isinstance(error, BreakerOpen) or state.step in ("about", "listing") or not last_try:
                raise
            # One post or author must not keep the whole subreddit from its end.
            self._commit(lambda c, _: self._storing.pass_over(state, c, counted="skipped"))
            return
        self._commit(lambda c, pages: self._storing.store(state, answer, c, pages))

    def _commit(self, work: Callable[[Connection, PageWriter], State]) -> None:
        requests = self._hands.untold_requests()

        def write(connection: Connection, pages: PageWriter) -> State:
            after = work(connection, pages)
            after = replace(after, figures=after.figures.plus(requests=requests))
            self._lease.checkpoint(connection, after.as_json())
            return after

        self._state = self._hands.page(self._lease, write)
        self._task.advance(requests)
        self._tell()

    def _finish(self) -> None:
        state = self._state
        figures = {**state.as_json()["figures"], "new_reach": state.new_reach}

        def write(connection: Connection, _: PageWriter) -> int:
            found = self._enqueue_found(connection)
            self._lease.complete(connection, "ok", figures={**figures, "discovered": found})
            return found

        self._discovered = self._hands.page(self._lease, write)

    def _enqueue_found(self, connection: Connection) -> int:
        """Jobs, below all that were asked for, for the subreddits that were named most often."""
        if not self._reach.discovers:
            return 0
        own = self._lease.job.name.lower()
        found = self._state.found
        names = sorted((n for n in found if n != own), key=lambda name: (-found[name], name))
        rows = connection.execute(query("crawl", "without_job"), {"names": names}).fetchall()
        chosen = [str(name) for (name,) in rows][: self._reach.settings.discover_subreddits]
        kept = {key: self._lease.job.options[key] for key in OPTIONS if key in self._lease.job.options}
        level = self._reach.level + 1
        added = enqueue_new(connection, chosen, priority=1 - level, options={**kept, "level": level})
        return len(added)

    def _store_fact(self, fact: Fact) -> Outcome:
        recheck_s = seconds(self._reach.settings.recheck_after)
        requests = self._hands.untold_requests()
        self._state = replace(self._state, figures=self._state.figures.plus(requests=requests))

        def write(connection: Connection, pages: PageWriter) -> None:
            (identity,) = pages.names.ids("subreddits", [self._lease.job.name]).tolist()
            values = {"id": identity, "verdict": str(fact.verdict), "recheck_after_s": recheck_s}
            connection.execute(query("crawl", "set_verdict"), values)
            figures = self._state.as_json()["figures"]
            self._lease.complete(connection, str(fact.verdict), figures=figures)

        try:
            self._hands.page(self._lease, write)
        except LeaseLost as lost:
            return self._outcome("lost", problem=str(lost))
        return self._outcome(str(fact.verdict))

    def _fail(self, error: Retryable) -> Outcome:
        wait_s = (error.retry_at - datetime.now(UTC)).total_seconds() if error.retry_at else 0
        figures = self._state.as_json()["figures"]

        def write(connection: Connection) -> datetime | None:
            return self._lease.fail(
                connection, str(error), retryable=True, after_s=max(0, wait_s), figures=figures
            )

        try:
            again_at = self._hands.worker.write(self._lease, write)
        except LeaseLost as lost:
            return self._outcome("lost", problem=str(lost))
        verdict = "later" if again_at else "failed"
        return self._outcome(verdict, again_at=again_at, problem=str(error))

    def _hand_back(self, reason: str) -> Outcome:
        try:
            self._hands.worker.write(self._lease, lambda c: self._lease.hand_back(c, reason))
        except LeaseLost as lost:
            return self._outcome("lost", problem=str(lost))
        return self._outcome("handed back", problem=reason)

    def _outcome(
        self, verdict: str, *, discovered: int = 0, again_at: datetime | None = None, problem: str = ""
    ) -> Outcome:
        return Outcome(self._lease.job.name, verdict, self._state.figures, discovered, again_at, problem)

    def _tell(self) -> None:
        figures = self._state.figures
        self._task.total(figures.requests + self._storing.left(self._state))
        rows = figures.posts_added + figures.comments_added
        self._task.note(f"{self._state.step}: {figures.requests:,} requests, {rows:,} new rows")
