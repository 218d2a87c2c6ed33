"""The window of time that a run of maintenance may use."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

#: What stands in a report where the window closed.
UP = "the time of --max-duration was up"


class WindowClosed(Exception):
    """The time is up in the middle of a statement, which is then cancelled."""


@dataclass(frozen=True, slots=True)
class Window:
    """Opened when it is made; ``max_duration_s=None`` never closes."""

    max_duration_s: float | None = None
    opened_s: float = field(default_factory=time.monotonic)

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.opened_s

    @property
    def left_s(self) -> float | None:
        """None without an end; never below 0."""
        return None if self.max_duration_s is None else max(0.0, self.max_duration_s - self.passed_s)

    @property
    def closed(self) -> bool:
        return self.left_s == 0

    def check(self) -> None:
        """Raises WindowClosed when the time is up."""
        if self.closed:
            raise WindowClosed
