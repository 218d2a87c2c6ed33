"""``crawl plan``: what a crawl would cost, before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.duration import words
from redclust.ops.crawl.reach import Reach
from redclust.ops.crawl.request import Request
from redclust.reddit.breaker import states
from redclust.reddit.budget import client_key
from redclust.report import Report
from redclust.sql import query

#: Requests a minute that Reddit grants where its headers have not said so yet; and the share that is used.
_GRANTED_PER_MINUTE, _SHARE = 100.0, 0.95


@dataclass(frozen=True, slots=True)
class Cost:
    """``requests`` at most: of a subreddit with all the posts asked for, each with comments left out.

    ``last_requests`` is what its newest crawl cost that came to its end, None where there was none.
    """

    name: str
    requests: int
    last_requests: int | None


@dataclass(frozen=True, slots=True)
class PlanReport(Report):
    """Nothing is sent and nothing enqueued. ``requests_per_minute`` is for all crawlers of the client id."""

    verb: ClassVar[str] = "crawl.plan"
    subreddits: tuple[Cost, ...]
    requests: int
    requests_per_minute: float
    minutes: float

    def in_words(self) -> str:
        """One line of it."""
        last = [cost.last_requests for cost in self.subreddits if cost.last_requests is not None]
        before = f"; the last crawls of {len(last)} of them took {sum(last):,}" if last else ""
        return (
            f"at most {self.requests:,} requests, {words(self.minutes * 60)} at {self.requests_per_minute:g} "
            f"a minute{before}"
        )


def plan(database: Database, request: Request, settings: Settings) -> PlanReport:
    """What these subreddits cost at most, and how long that takes if nobody else uses the budget."""
    each = Reach.of(request.options, settings.crawl).requests()
    with database.connect() as connection:
        per_minute = _per_minute(connection, settings)
        names = [name.lower() for name in request.names]
        rows = connection.execute(query("crawl", "last_requests"), {"names": names})
        last = {str(name): int(requests) for name, requests in rows}
    costs = tuple(Cost(name, each, last.get(name.lower())) for name in request.names)
    total = sum(cost.requests for cost in costs)
    return PlanReport(costs, total, per_minute, total / per_minute)


def _per_minute(connection: Connection, settings: Settings) -> float:
    granted = _GRANTED_PER_MINUTE
    if settings.reddit.client_id is not None:
        key = client_key(settings.reddit.client_id)
        found = [state for state in states(connection) if state.client == key]
        granted = (found[0].granted_per_minute if found else None) or granted
    return min(granted * _SHARE, settings.reddit.requests_per_minute or granted)
