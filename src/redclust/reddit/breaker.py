"""The state of budget and breaker, for those who show it and for the one who resets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from redclust.db.connect import Connection
from redclust.sql import query

#: So many failures of the server in a row open the breaker.
THRESHOLD = 5
#: How long it stays open before one request tries again.
OPEN_S = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """One client id's budget and breaker at ``now_at``, by the database's clock.

    ``client`` is the beginning of the SHA-256 of the client id. ``granted_per_minute`` is what Reddit's
    headers said within the hour; ``next_at`` is the next free slot, None where it is now. The breaker is
    closed where ``open_until`` is None; past that time one probe is due, or out until ``probe_until``.
    """

    client: str
    since_at: datetime
    used: float | None
    remaining: float | None
    reset_at: datetime | None
    granted_per_minute: float | None
    halted_until: datetime | None
    halt_reason: str | None
    next_at: datetime | None
    failures: int
    last_failure: str | None
    open_until: datetime | None
    probe_until: datetime | None
    now_at: datetime
    sent: int
    refused: int
    failed: int

    @property
    def wait_s(self) -> float:
        """How far away the next free slot is."""
        until = max(self.next_at or self.now_at, self.halted_until or self.now_at)
        return (until - self.now_at) / timedelta(seconds=1)

    @property
    def closed_at(self) -> datetime | None:
        """Until when the breaker lets nothing through; None where a request may go now."""
        ends = [t for t in (self.open_until, self.probe_until) if t is not None and t > self.now_at]
        return max(ends, default=None)


def read_state(connection: Connection, client: str) -> State:
    """The state of one client, which must have been opened."""
    return _states(connection, client)[0]


def states(connection: Connection) -> list[State]:
    """The state of every client id that has ever asked."""
    return _states(connection, None)


def reset(connection: Connection) -> list[str]:
    """Close the breaker of every client id; the keys of those that were open."""
    return [
        str(client) for (client,) in connection.execute(query("budget", "close_breakers"), {"client": None})
    ]


def _states(connection: Connection, client: str | None) -> list[State]:
    return [State(*row) for row in connection.execute(query("budget", "states"), {"client": client})]
