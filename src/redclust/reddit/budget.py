"""One request budget for every crawler of a client id, on all machines, with the circuit breaker beside it.

A request reserves a slot (one row in Postgres, GCRA), sleeps until then, looks again, and is sent. Who dies
in between wastes a slot and holds nothing. A 429 halts everyone by one write; several failures of the
server in a row open the breaker, which one probe at a time tries to close.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from redclust.db.connect import Connection
from redclust.reddit.breaker import OPEN_S, THRESHOLD, State, read_state
from redclust.reddit.failures import BreakerOpen, BudgetSpent, Capped, Interrupted
from redclust.reddit.headers import RateHeaders
from redclust.reddit.lasting import Lasting
from redclust.sql import query

#: The first key of the advisory locks of requests that may not run beside each other ("redm" in ASCII).
ALONE_CLASS = 0x7265646D
# So late after its slot a request would crowd those behind it: it takes a new one.
_LATE_SLOTS = 2
_LATE_S = 0.1
# A machine too slow for any slot sends all the same.
_LATE_TRIES = 3
_LONG_WAIT_S = 3.0


class Lane(StrEnum):
    """Who goes first."""

    #: Takes its turn.
    CRAWL = "crawl"
    #: Takes slots that nobody else wants, and one a minute where there are none.
    SPARE = "spare"


#: How long a request in the spare lane waits before it takes its turn like the others.
SPARE_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one request; ``probing`` where the breaker is open and this one tries it."""

    number: int
    probing: bool


@dataclass(frozen=True, slots=True)
class _Slot:
    at: datetime
    due_s: float
    interval_s: float


def client_key(client_id: str) -> str:
    """How a client id is called in the database."""
    return hashlib.sha256(client_id.encode()).hexdigest()[:16]


class Budget:
    """The budget as one process sees it, on a connection of its own; not for two threads.

    ``open_connection`` gives a session in autocommit mode; it is called again when the server went away.
    ``on_wait(seconds, reason)`` hears of every wait before it begins.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        client_id: str,
        *,
        requests_per_minute: int | None = None,
        lane: Lane = Lane.CRAWL,
        max_wait_s: float = 900,
        max_requests: int | None = None,
        probe_s: float = 60,
        interrupt: threading.Event | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self._client = client_key(client_id)
        self._per_minute = requests_per_minute
        self._lane = lane
        self._max_wait_s = max_wait_s
        self._max_requests = max_requests
        self._probe_s = probe_s
        self._interrupt = interrupt or threading.Event()
        self._on_wait = on_wait
        self._lasting = Lasting(open_connection, self._prepare, self._sleep)
        self.sent = 0

    def close(self) -> None:
        self._lasting.close()

    def enter(self) -> Ticket:
        """Wait for the next slot and take it.

        Raises:
            BreakerOpen: the server failed lately, and no probe is due.
            BudgetSpent: the slot is more than ``max_wait_s`` away, as after a long 429.
            Interrupted: the caller's event was set; Capped where ``max_requests`` have been sent.
            DatabaseUnreachable: the database does not come back.
        """
        if self._max_requests is not None and self.sent >= self._max_requests:
            raise Capped
        number = random.getrandbits(62)
        late = 0
        while True:
            slot = self._reserve()
            self._sleep_until(slot)
            late_s = max(_LATE_S, _LATE_SLOTS * slot.interval_s) if late < _LATE_TRIES else 3600
            row = self._ask(
                "depart", ticket=number, slot_at=slot.at, late_s=late_s, probe_s=self._probe_s
            ).fetchone()
            if row is not None:
                self.sent += 1
                return Ticket(number, bool(row[0]))
            late += 1
            self._require_closed(self.state())

    def answered(self, ticket: Ticket, headers: RateHeaders, *, refused: bool) -> None:
        """The server answered; ``refused`` by 429. Where nothing may be sent, everyone is halted."""
        halt_s = headers.halt_s(refused=refused)
        if refused or halt_s is not None:
            told = "429" if refused else "nothing left of Reddit's window"
            if refused and headers.retry_after_s is not None:
                told += f" with retry-after {headers.retry_after_s:g} s"
            self._ask_durably("halt", halt_s=halt_s, reason=told, refused=refused)
        # What is left means nothing without the time it must last for.
        whole = headers.remaining is not None and headers.reset_s is not None
        self._ask(
            "answered",
            ticket=ticket.number,
            used=headers.used,
            remaining=headers.remaining if whole else None,
            reset_s=headers.reset_s if whole else None,
            granted_per_minute=headers.granted_per_minute,
            refused=refused,
        )

    def failed(self, ticket: Ticket, reason: str) -> None:
        """The server failed, or gave no answer; ``reason`` in a word or two."""
        self._ask_durably("failed", ticket=ticket.number, reason=reason, threshold=THRESHOLD, open_s=OPEN_S)

    def state(self) -> State:
        """The budget and the breaker as they are now."""
        return self._lasting.run(lambda connection: read_state(connection, self._client))

    @contextmanager
    def alone(self) -> Generator[None]:
        """No other crawler of this client id is inside such a block meanwhile."""
        keys = {"class": ALONE_CLASS, "client": self._client}
        while self._ask("try_alone", **keys).fetchone() != (True,):
            self._sleep(0.05)
        try:
            yield
        finally:
            self._ask("alone_no_more", **keys)

    def _reserve(self) -> _Slot:
        spare_until = time.monotonic() + SPARE_PATIENCE_S
        while True:
            if self._interrupt.is_set():
                raise Interrupted
            spare = self._lane is Lane.SPARE and time.monotonic() < spare_until
            row = self._ask(
                "reserve", per_minute=self._per_minute, max_wait_s=0 if spare else self._max_wait_s
            ).fetchone()
            if row is not None:
                wait_s, at, interval_s = row
                return _Slot(at, time.monotonic() + wait_s, interval_s)
            state = self.state()
            self._require_closed(state)
            if not spare:
                self._require_near(state)
                continue
            self._wait(min(max(state.wait_s, 0.01), 1) * random.uniform(0.8, 1.2), "other crawlers")

    def _require_closed(self, state: State) -> None:
        if state.open_until is not None and (retry_at := state.closed_at) is not None:
            raise BreakerOpen(
                f"circuit breaker open until {retry_at:%H:%M:%S} UTC: Reddit failed {state.failures} times "
                f"in a row, the last time: {state.last_failure}",
                hint="it closes by itself when Reddit answers again; redclust crawl reset-breaker tries now",
                retry_at=retry_at,
            )

    def _require_near(self, state: State) -> None:
        if state.wait_s > self._max_wait_s:
            retry_at = state.now_at + timedelta(seconds=state.wait_s)
            raise BudgetSpent(
                f"the request budget is spent until {retry_at:%H:%M:%S} UTC"
                + (f": {state.halt_reason}" if state.halt_reason else ""),
                hint="redclust crawl status shows the budget",
                retry_at=retry_at,
            )

    def _sleep_until(self, slot: _Slot) -> None:
        wait_s = slot.due_s - time.monotonic()
        if wait_s > 0:
            # Whoever waits long wants to know why; asking costs nothing then.
            told = self.state().halt_reason if wait_s > _LONG_WAIT_S and self._on_wait else None
            self._wait(slot.due_s - time.monotonic(), told or "budget")

    def _wait(self, seconds: float, reason: str) -> None:
        if self._on_wait is not None:
            self._on_wait(seconds, reason)
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if self._interrupt.wait(seconds):
            raise Interrupted

    def _prepare(self, connection: Connection) -> None:
        connection.execute(query("budget", "quick_commits"))
        connection.execute(query("budget", "open"), {"client": self._client})

    def _ask(self, name: str, **values: Any) -> Any:
        return self._lasting.run(
            lambda connection: connection.execute(query("budget", name), {"client": self._client, **values})
        )

    def _ask_durably(self, name: str, **values: Any) -> None:
        def run(connection: Connection) -> None:
            with connection.transaction():
                connection.execute(query("budget", "durably"))
                connection.execute(query("budget", name), {"client": self._client, **values})

        self._lasting.run(run)
