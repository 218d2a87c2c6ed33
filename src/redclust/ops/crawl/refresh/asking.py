"""Asking within the limits of a refresh: patient with Reddit, and ending when it is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from redclust.reddit.client import Client
from redclust.reddit.failures import BreakerOpen, BudgetSpent, Interrupted, RateLimited, Retryable
from redclust.report import Progress, Task

T = TypeVar("T")

#: Further tries of a request that Reddit failed, and seconds before the first one.
_TRIES, _PAUSE_S = 4, 5.0


class TimeIsUp(Exception):
    """The time allowed has passed; what is in hand may come to its end, and nothing new begins."""


@dataclass(slots=True)
class Asking:
    """The client, and until when it may be used."""

    client: Client
    stopped: threading.Event
    until_s: float | None
    progress: Progress
    task: Task
    _told: int = 0

    def ask(self, question: Callable[[], T]) -> T:
        """The answer, however long Reddit is away.

        Raises:
            Interrupted: by a signal, or (Capped) because all requests allowed have been sent.
            TimeIsUp: it is time, and Reddit is away.
            Retryable: Reddit failed again and again.
            StopEveryone: the credentials are refused, or this machine is blocked.
        """
        tries = 0
        while True:
            try:
                return question()
            except (BreakerOpen, RateLimited, BudgetSpent) as error:
                self.progress.say(str(error))
                wait_s = (error.retry_at - datetime.now(UTC)).total_seconds() if error.retry_at else 0
            except Retryable as error:
                tries += 1
                if tries >= _TRIES:
                    raise
                self.progress.say(f"{error}; once more")
                wait_s = _PAUSE_S * 2 ** (tries - 1)
            finally:
                self.task.advance(self.client.requests - self._told)
                self._told = self.client.requests
            self._wait(max(wait_s, 0.1))

    @property
    def time_is_up(self) -> bool:
        return self.until_s is not None and time.monotonic() >= self.until_s

    def _wait(self, seconds: float) -> None:
        left_s = self.until_s - time.monotonic() if self.until_s is not None else seconds
        if self.stopped.wait(max(0, min(seconds, left_s))):
            raise Interrupted
        if left_s < seconds:
            raise TimeIsUp
