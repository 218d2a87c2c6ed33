"""The run of a refresh: what is due, in spare budget, until nothing is left or a limit is reached."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from redclust.config import Settings
from redclust.db import history, locks
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.duration import seconds
from redclust.errors import Locked, RedditRefused
from redclust.ops.crawl.refresh.accounts import AccountSweep
from redclust.ops.crawl.refresh.asking import Asking, TimeIsUp
from redclust.ops.crawl.refresh.due import BATCH, Things, chunks, outstanding
from redclust.ops.crawl.refresh.report import Outstanding, RefreshReport, Tally
from redclust.ops.crawl.refresh.store import Store
from redclust.ops.crawl.refresh.things import ThingSweep
from redclust.ops.crawl.stopping import stopping
from redclust.reddit.budget import Lane
from redclust.reddit.client import Client
from redclust.reddit.failures import Capped, Interrupted
from redclust.report import Progress

_VERB = "crawl refresh"
#: What one minute brings where Reddit grants what it usually does.
_PER_MINUTE = 95.0
#: A wait for the budget that is told.
_LONG_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When a refresh ends though something is left."""

    for_s: float | None = None
    max_requests: int | None = None


def refresh(
    database: Database,
    settings: Settings,
    limits: Limits,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> RefreshReport:
    """Look again at what was not checked for ``crawl.refresh_after``, the oldest check first.

    Only requests that no crawler wants are sent, and one a minute where there are none. Each page is
    committed with the time of its check, so a refresh that was ended goes on where it was. Costs a request
    for 100 things, and some passes over posts and comments. SIGTERM ends it after the page in hand.

    Raises:
        Locked: another refresh works on this database.
        ConfigError: credentials are missing.
        RedditRefused: Reddit fails or refuses; what was looked at before is stored.
    """
    before = datetime.now(UTC) - timedelta(seconds=seconds(settings.crawl.refresh_after))
    begun_s, started_at = time.monotonic(), datetime.now(UTC)
    per_minute = min(settings.reddit.requests_per_minute or _PER_MINUTE, _PER_MINUTE)
    with ExitStack() as stack:
        stopped = stack.enter_context(stopping(lambda: None))
        store = Store(database, lambda wait_s: _sleep(stopped, wait_s))
        stack.callback(store.close)

        def due() -> Outstanding:
            with progress.task("what is due"):
                return store.run(lambda c: outstanding(c, before, per_minute=per_minute))

        if dry_run:
            first = due()
            return RefreshReport("dry run", first, first, 0, time.monotonic() - begun_s, **asdict(Tally()))
        client = stack.enter_context(_client(database, settings, limits, progress, stopped))
        stack.enter_context(locks.hold(database.connector, LockName.REFRESH))
        first, tally = due(), Tally()
        until_s = begun_s + limits.for_s if limits.for_s is not None else None
        with progress.task("refresh", first.requests, "requests") as task:
            asking = Asking(client, stopped, until_s, progress, task)
            why = _Run(asking, store, database, settings, limits, tally).run(before)
        duration_s = time.monotonic() - begun_s
        # Counting could take long; whoever sent a signal waits.
        left = None if stopped.is_set() else due()
        report = RefreshReport(why, first, left, client.requests, duration_s, **asdict(tally))
        figures = {**asdict(tally), "requests": report.requests, "stopped": why}
        verdict = "ok" if report.ok else "partial"
        store.run(lambda c: history.record(c, _VERB, started_at=started_at, verdict=verdict, figures=figures))
    return report


def _client(
    database: Database, settings: Settings, limits: Limits, progress: Progress, stopped: threading.Event
) -> Client:
    def tell(wait_s: float, why: str) -> None:
        if wait_s >= _LONG_WAIT_S:
            progress.say(f"waiting {wait_s:,.0f} s: {why}")

    return Client(
        settings.reddit,
        database,
        lane=Lane.SPARE,
        interrupt=stopped,
        max_requests=limits.max_requests,
        on_wait=tell,
    )


class _Run:
    def __init__(
        self,
        asking: Asking,
        store: Store,
        database: Database,
        settings: Settings,
        limits: Limits,
        tally: Tally,
    ) -> None:
        self._asking, self._store, self._database, self._limits = asking, store, database, limits
        self._tally = tally
        self._accounts = AccountSweep(asking, store, tally)
        recheck_after_s = seconds(settings.crawl.recheck_after)
        self._things = ThingSweep(asking, store, self._accounts, tally, recheck_after_s=recheck_after_s)

    def run(self, before: datetime) -> str:
        """Why it ended."""
        try:
            why = self._sweep(before)
        except Capped:
            why = "requests"
        except TimeIsUp:
            why = "time"
        except Interrupted:
            self._tally.unerased = self._accounts.gone
            return "by a signal"
        except RedditRefused:
            # What is known to be gone goes, also where nothing more can be asked.
            self._erase()
            raise
        self._erase()
        return why

    def _sweep(self, before: datetime) -> str:
        for chunk in chunks(self._store.run, before, self._things.passed_over):
            for batch in chunk:
                if self._asking.time_is_up or self._only_enough_is_left():
                    self._confirm(at_least=1)
                    return "time" if self._asking.time_is_up else "requests"
                if isinstance(batch, Things):
                    self._things.look(batch.ids)
                else:
                    self._accounts.look(batch.ids)
                self._confirm(at_least=BATCH)
            self._confirm(at_least=1)
            if self._accounts.gone:
                self._erase()
        return "done"

    def _erase(self) -> None:
        try:
            self._accounts.erase(self._database)
        except Locked as error:
            self._asking.progress.say(f"{error}; the names of accounts that are gone go later")
            self._tally.unerased = self._accounts.gone

    def _confirm(self, *, at_least: int) -> None:
        if self._things.waiting >= at_least:
            self._things.confirm()
        if self._accounts.waiting >= at_least:
            self._accounts.confirm()

    def _only_enough_is_left(self) -> bool:
        """Whether what is allowed is needed for the second looks at what waits for one."""
        if self._limits.max_requests is None:
            return False
        needed = self._accounts.waiting + (3 if self._things.waiting else 0)
        return self._limits.max_requests - self._asking.client.requests <= needed


def _sleep(stopped: threading.Event, wait_s: float) -> None:
    if stopped.wait(wait_s):
        raise Interrupted
