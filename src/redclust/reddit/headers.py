"""What the headers of an answer say about the budget, whatever form they are in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Reddit counts in windows of so many seconds.
WINDOW_S = 600
#: However long Reddit says: after so many seconds one request asks whether it still means it.
LONGEST_HALT_S = 3600
# A number above these is a fault of whoever wrote it.
_MOST_REQUESTS = 1e9
_LONGEST_S = 7 * 86_400
# Reddit's times are whole seconds, and its clock is not ours.
_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """``x-ratelimit-*`` and ``retry-after``; None for each that is missing or makes no sense."""

    used: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    retry_after_s: float | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> RateHeaders:
        """``headers`` find their names in any case."""
        return cls(
            used=_number(headers.get("x-ratelimit-used"), _MOST_REQUESTS),
            remaining=_number(headers.get("x-ratelimit-remaining"), _MOST_REQUESTS),
            reset_s=_number(headers.get("x-ratelimit-reset"), _LONGEST_S),
            retry_after_s=_retry_after_s(headers.get("retry-after")),
        )

    @property
    def granted_per_minute(self) -> float | None:
        """What the whole window grants, a minute."""
        if self.used is None or self.remaining is None or self.used + self.remaining < WINDOW_S / 60:
            return None
        return (self.used + self.remaining) * 60 / WINDOW_S

    def halt_s(self, *, refused: bool) -> float | None:
        """How long nobody may ask: after a 429, or where nothing is left.

        None where there is no need to halt, or, after a 429, where the headers do not say how long.
        """
        spent = self.remaining is not None and self.remaining < 1
        told = self.retry_after_s if refused and self.retry_after_s is not None else None
        if told is None and spent:
            told = self.reset_s if self.reset_s is not None else 60.0
        return None if told is None else min(max(told, 1.0), LONGEST_HALT_S) + _MARGIN_S


def _number(text: str | None, most: float) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if 0 <= value <= most else None


def _retry_after_s(text: str | None) -> float | None:
    """Seconds, or the HTTP date of the end."""
    if (seconds := _number(text, _LONGEST_S)) is not None or text is None:
        return seconds
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0)
