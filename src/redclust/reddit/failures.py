"""What a request to Reddit can come to, by what the caller has to do about it.

``Unavailable``: a fact about the thing asked for, to be stored and not retried. ``Retryable``: ask again
later. ``StopEveryone``: no crawler with this client id gets anywhere before its cause is gone.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from redclust.errors import RedditRefused


class Verdict(StrEnum):
    """Facts about a subreddit, a post or a user that trying again does not change."""

    PRIVATE = "private"
    QUARANTINED = "quarantined"
    BANNED = "banned"
    MISSING = "missing"
    #: 451, unavailable for legal reasons.
    LEGAL = "unavailable for legal reasons"


class Unavailable(RedditRefused):
    """A permanent fact; ``verdict`` says which."""

    def __init__(self, verdict: Verdict, path: str) -> None:
        super().__init__(f"{path} is {verdict}")
        self.verdict = verdict


class Retryable(RedditRefused):
    """Nothing was learned; ``retry_at`` is the earliest time that makes sense, None for the caller's own."""

    def __init__(self, message: str, *, hint: str = "", retry_at: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_at = retry_at


class BreakerOpen(Retryable):
    """Reddit failed several times in a row, and is left alone for a while; nothing was sent."""


class StopEveryone(RedditRefused):
    """Every crawler of this client id is concerned; ``retry_at`` as in :class:`Retryable`."""

    def __init__(self, message: str, *, hint: str = "", retry_at: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_at = retry_at


class RateLimited(StopEveryone):
    """429: all crawlers are halted until ``retry_at``."""


class BudgetSpent(StopEveryone):
    """The next slot, at ``retry_at``, is further away than the caller wants to wait; nothing was sent."""


class CredentialsRefused(StopEveryone):
    """Reddit does not take the client id, its secret, or the refresh token."""


class Blocked(StopEveryone):
    """Reddit's network security refuses this machine or this user agent, whatever is asked for."""


class Interrupted(Exception):
    """The caller's event was set: a request that waited was not sent, one on its way was given up."""


class Capped(Interrupted):
    """As many requests as the caller allowed have been sent."""
