"""``crawl status``: budget, breaker, workers and queue; and closing the breaker by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db.session import Database
from redclust.queue import Pause, depth, pauses
from redclust.reddit.breaker import State, reset, states
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class WorkerNow:
    """A worker that beats or did so within a day, and what it crawls (empty: nothing)."""

    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    crawls: str
    pages: int


@dataclass(frozen=True, slots=True)
class StatusReport(Report):
    """``budgets`` has one for each client id that ever asked; ``jobs`` counts them by status.

    ``ready`` jobs may be claimed now, ``later`` ones wait for their time, the first at ``next_at``.
    """

    verb: ClassVar[str] = "crawl.status"
    budgets: tuple[State, ...]
    workers: tuple[WorkerNow, ...]
    pauses: tuple[Pause, ...]
    jobs: dict[str, int]
    ready: int
    later: int
    next_at: datetime | None
    asked_at: datetime

    @property
    def ok(self) -> bool:
        """No breaker is open, and nobody is halted by a 429."""
        return not any(
            state.closed_at or (state.halted_until and state.halted_until > state.now_at)
            for state in self.budgets
        )


@dataclass(frozen=True, slots=True)
class ResetReport(Report):
    """How many breakers were open and are closed now."""

    verb: ClassVar[str] = "crawl.reset-breaker"
    closed: int


def status(database: Database) -> StatusReport:
    """Where crawling stands; sends nothing to Reddit and needs no credentials."""
    with database.connect(autocommit=True) as connection:
        found = depth(connection)
        rows = connection.execute(query("crawl", "workers_now")).fetchall()
        counts = connection.execute(query("crawl", "count_jobs")).fetchall()
        now = connection.execute(query("crawl", "now")).fetchone()
        return StatusReport(
            budgets=tuple(states(connection)),
            workers=tuple(WorkerNow(*row) for row in rows),
            pauses=tuple(pauses(connection)),
            jobs={str(name): int(n) for name, n in counts},
            ready=found.ready,
            later=found.later,
            next_at=found.next_at,
            asked_at=now[0] if now else datetime.min,
        )


def reset_breaker(database: Database) -> ResetReport:
    """Let requests through again at once; if Reddit still fails it opens again."""
    with database.connect(autocommit=True) as connection:
        return ResetReport(len(reset(connection)))
