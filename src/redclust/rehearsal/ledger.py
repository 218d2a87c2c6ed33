"""What was asked: every request with its times, and the budget that Reddit's headers speak of."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import orjson

from redclust.errors import UsageError

#: Requests kept in memory; the file has them all.
KEPT_REQUESTS = 200_000


@dataclass(slots=True)
class Request:
    """One request as the server saw it. Times are ``time.monotonic()``, the same for every process here.

    From ``received_s`` (its last byte read) to ``answered_s`` (the answer's last byte given to the
    kernel; None while it waits, or where the client went away first) it was on the wire.
    """

    number: int
    client: str  # its client id, "" where it did not say who it is
    token: int  # which access token, counted from 1; 0 without one
    connection: int
    method: str
    path: str  # with its query
    area: str  # one of weather.AREAS
    subreddit: str  # "" where it is about none
    received_s: float
    answered_s: float | None = None
    status: int = 0  # 0: no answer
    weather: str = ""  # the kinds that befell it, "broken-item=t3_1d5k" where they hit one thing
    user_agent: str = ""


@dataclass(slots=True)
class Ledger:
    """All requests, counted by client and kept in order of arrival."""

    file: Path | None = None
    kept: deque[Request] = field(default_factory=lambda: deque[Request](maxlen=KEPT_REQUESTS))
    counts: Counter[str] = field(default_factory=Counter[str])
    total: int = 0
    #: What has no answer yet.
    waiting: dict[int, Request] = field(default_factory=dict[int, Request])
    _out: TextIO | None = None

    def open(self) -> None:
        """Begin the file, where there is to be one; an older one goes on.

        Raises:
            UsageError: it cannot be written.
        """
        if self.file is None:
            return
        try:
            self._out = self.file.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"cannot write {self.file}: {error.strerror}") from error

    def arrived(self, request: Request) -> None:
        self.total += 1
        self.counts[request.client] += 1
        self.kept.append(request)
        self.waiting[request.number] = request

    def ended(self, request: Request) -> None:
        """Write the line of a request that is over, answered or not."""
        del self.waiting[request.number]
        if self._out:
            self._out.write(orjson.dumps(asdict(request)).decode() + "\n")

    def since(self, number: int = 0, client: str | None = None) -> Iterator[Request]:
        """Kept requests after the given number, of one client or of all."""
        return (r for r in self.kept if r.number > number and client in (None, r.client))

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client has in the current window."""

    used: int
    remaining: int
    reset_s: float

    @property
    def spent(self) -> bool:
        return self.remaining < 0

    def headers(self) -> list[tuple[str, str]]:
        """As Reddit sends them: remaining is written as a float, the others are whole numbers."""
        return [
            ("x-ratelimit-used", str(self.used)),
            ("x-ratelimit-remaining", f"{max(self.remaining, 0)}.0"),
            ("x-ratelimit-reset", str(int(self.reset_s))),
        ]


@dataclass(slots=True)
class Budget:
    """``requests`` per client id in each window of ``window_s``, counted from the server's start.

    Reddit's window is 600 s. What asks for more is refused with 429 unless ``refuse`` is false.
    """

    requests: int = 1_000
    window_s: float = 600
    refuse: bool = True
    _started_s: float = field(default_factory=time.monotonic)
    _window: int = -1
    _used: Counter[str] = field(default_factory=Counter[str])

    def spend(self, client: str, now_s: float) -> Allowance:
        """Count one request of a client."""
        passed_s = now_s - self._started_s
        window = int(passed_s // self.window_s)
        if window != self._window:
            self._window, self._used = window, Counter()
        self._used[client] += 1
        used = self._used[client]
        return Allowance(used, self.requests - used, (window + 1) * self.window_s - passed_s)
