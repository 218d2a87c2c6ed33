"""``jobs why``: in one sentence, why a job is not running and when it will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.duration import seconds, words
from redclust.ops.jobs.listing import JobLine, WorkerLine, ageing, one_job, workers
from redclust.queue import pauses
from redclust.reddit.breaker import State, states
from redclust.reddit.budget import client_key
from redclust.report import Report
from redclust.sql import query

#: A wait for the request budget that is worth a word.
_LONG_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reason:
    """``kind`` is one word; ``at`` is when that ends, None where nobody can know."""

    kind: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WhyReport(Report):
    """``sentence`` says the first of ``reasons``, the one that has to end first, and when."""

    verb: ClassVar[str] = "jobs.why"
    subreddit_name: str
    status: str
    sentence: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    job: JobLine
    now: datetime
    workers: list[WorkerLine]
    blocked: list[Reason]


def why(database: Database, settings: Settings, subreddit: str) -> WhyReport:
    """Look for what a job waits for: a pause, a worker, the budget, the breaker, its backoff, its turn.

    Raises:
        UsageError: there is no such job.
    """
    with database.connect(autocommit=True) as connection:
        job = one_job(connection, settings.queue, subreddit)
        known = _budgets(connection, settings)
        now = _now(connection)
        facts = _Facts(job, now, workers(connection, settings.queue), _blocked(known, now))
        if job.status == "pending":
            reasons = _waiting(connection, settings, facts)
        elif job.status == "crawling":
            reasons = [_running(facts), *facts.blocked]
        else:
            reasons = [_ended(job, settings)]
    return WhyReport(job.subreddit_name, job.status, _sentence(job, reasons), tuple(reasons))


def _sentence(job: JobLine, reasons: list[Reason]) -> str:
    also = f" (also: {'; '.join(r.text for r in reasons[1:])})" if len(reasons) > 1 else ""
    return f"r/{job.subreddit_name} {reasons[0].text}{also}."


def _waiting(connection: Connection, settings: Settings, facts: _Facts) -> list[Reason]:
    job, now = facts.job, facts.now
    found = [
        Reason("paused", f"waits until {one.holder}'s pause of {_at(one.since)} is lifted: {one.reason}")
        for one in pauses(connection)
    ]
    if not facts.workers:
        found.append(Reason("no worker", "waits for a worker, and none is alive: redclust crawl run"))
    found += facts.blocked
    if job.run_at is not None and job.run_at > now:
        tried = f" after {job.attempts} of {settings.queue.retries + 1} tries" if job.attempts else ""
        error = f": {job.error_message}" if job.error_message else ""
        text = f"waits until {_at(job.run_at)}, {_in(job.run_at - now)}{tried}{error}"
        found.append(Reason("backoff", text, job.run_at))
        return found
    return found or [_turn(connection, settings, facts)]


def _turn(connection: Connection, settings: Settings, facts: _Facts) -> Reason:
    job = facts.job
    values = {"urgency": job.urgency, "run_at": job.run_at, **ageing(settings.queue)}
    before, hourly = connection.execute(query("jobs", "turn"), values).fetchone() or (0, 0)
    if not before:
        busy = sum(worker.job is not None for worker in facts.workers)
        return Reason("next", f"is next: {busy} of {len(facts.workers)} workers are busy")
    level = f"priority {job.priority}"
    if job.urgency != job.priority:
        level += f", {job.urgency} with waiting"
    if not hourly:
        return Reason("turn", f"waits for its turn: {before} jobs come before it ({level})")
    at = facts.now + timedelta(hours=before / hourly)
    pace = f"about {_at(at)}, as {hourly} were done within the hour"
    return Reason("turn", f"waits for its turn: {before} jobs come before it ({level}), {pace}", at)


def _running(facts: _Facts) -> Reason:
    job, now = facts.job, facts.now
    by = f"worker {job.pid} on {job.host}" if job.host else "nobody"
    if job.lease_until is None or job.lease_until < now:
        silent = (
            f" has been silent for {words((now - job.heartbeat_at).total_seconds())}"
            if job.heartbeat_at
            else ""
        )
        return Reason("silent", f"is held, but {by}{silent}: the next worker takes it over", now)
    page = f"{job.pages} pages, the last step {_ago(job.page_at, now)}"
    since = f" since {_at(job.started_at)}" if job.started_at else ""
    return Reason(
        "crawling", f"is being crawled by {by}{since}: {page}, heartbeat {_ago(job.heartbeat_at, now)}"
    )


def _ended(job: JobLine, settings: Settings) -> Reason:
    at = job.completed_at
    when = f" at {_at(at)}" if at else ""
    if job.status == "failed":
        error = f": {job.error_message}" if job.error_message else ""
        text = f"failed for good{when}{error}; redclust jobs retry {job.subreddit_name} tries it again"
        return Reason("failed", text)
    again = at + timedelta(seconds=seconds(settings.crawl.stale_after)) if at else None
    then = f"; a worker lets it wait again after {_at(again)}" if again else ""
    return Reason("completed", f"was crawled{when} ({job.verdict or 'no verdict'}){then}", again)


def _budgets(connection: Connection, settings: Settings) -> list[State]:
    known = states(connection)
    client_id = settings.reddit.client_id
    if client_id is None:
        return known
    own = client_key(client_id)
    return [state for state in known if state.client == own]


def _blocked(known: list[State], now: datetime) -> list[Reason]:
    found: list[Reason] = []
    for state in known:
        if state.halted_until is not None:
            text = f"waits until {_at(state.halted_until)}: Reddit halted all crawlers ({state.halt_reason})"
            found.append(Reason("budget", text, state.halted_until))
        elif state.closed_at is not None:
            last = f" after {state.failures} failures, the last: {state.last_failure}"
            text = f"waits until {_at(state.closed_at)}: circuit breaker open{last}"
            found.append(Reason("breaker", text, state.closed_at))
        elif state.wait_s > _LONG_WAIT_S:
            text = f"waits for the request budget: the next free slot is in {words(state.wait_s)}"
            found.append(Reason("budget", text, state.next_at))
    return found


def _now(connection: Connection) -> datetime:
    now: datetime
    (now,) = connection.execute(query("jobs", "now")).fetchone() or (datetime.now().astimezone(),)
    return now


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _in(length: timedelta) -> str:
    return f"in {words(length.total_seconds())}"


def _ago(moment: datetime | None, now: datetime) -> str:
    return f"{words((now - moment).total_seconds())} ago" if moment else "never"
