"""What a refresh did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.report import Report


@dataclass(slots=True)
class Tally:
    """What has been counted so far, in the words of :class:`RefreshReport`."""

    posts: int = 0
    comments: int = 0
    accounts: int = 0
    changed: int = 0
    deleted: int = 0
    vanished: int = 0
    hidden: int = 0
    accounts_gone: int = 0
    accounts_suspended: int = 0
    broken: int = 0
    unconfirmed: int = 0
    unerased: int = 0


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What was not checked lately: rows, and the requests and seconds that checking them costs at least.

    ``unnumbered`` accounts cannot be looked up a hundred at a time; their deletion shows in what they wrote.
    """

    posts: int
    comments: int
    accounts: int
    unnumbered: int
    oldest_check_at: datetime | None
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RefreshReport(Report):
    """``posts``, ``comments`` and ``accounts`` were looked at again. Of these:

    ``changed`` rows were written anew (edits, scores, deletions); ``deleted`` things were deleted by their
    authors, ``vanished`` ones are unknown to Reddit by now: both are blanked here for good. ``hidden`` ones
    are in subreddits that cannot be read for now: kept as they are. ``accounts_gone`` lose their name here.
    ``broken`` things could not be read, ``unconfirmed`` ones may have vanished: Reddit did not say so twice.
    The names of ``unerased`` accounts that are gone are still in the tables: an import was in the way, or a
    signal came; the next refresh erases them. ``left`` is what is still to be looked at, None after a signal.
    ``stopped``: ``done``, ``time``, ``requests``, ``by a signal``; or ``dry run``.
    """

    verb: ClassVar[str] = "crawl.refresh"
    stopped: str
    due: Outstanding
    left: Outstanding | None
    requests: int
    duration_s: float
    posts: int
    comments: int
    accounts: int
    changed: int
    deleted: int
    vanished: int
    hidden: int
    accounts_gone: int
    accounts_suspended: int
    broken: int
    unconfirmed: int
    unerased: int

    @property
    def ok(self) -> bool:
        """Whether all that was looked at could be told, and all that is gone has been erased."""
        return not self.broken and not self.unconfirmed and not self.unerased
