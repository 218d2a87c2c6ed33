"""Eight processes, one client id: the budget is kept, used and shared out, and a 429 halts all at once."""

from __future__ import annotations

import sys
import time
from collections import Counter

from crawlers import crawling, most_in_a_window, received_s, reddit_settings

from harness import SOAK, wait_until
from redclust.db.session import Database
from redclust.rehearsal.ledger import Budget, Request
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.world import World

CRAWLERS = 8
#: Reddit's minute, scaled, and what is granted in any such window.
WINDOW_S, GRANTED = 6.0, 100
SECONDS = 60.0 if SOAK else 7.0
RETRY_AFTER_S = 7.0
#: How long the news of a 429 may take.
NEWS_S = 0.25


def measure(served: Rehearsal) -> list[Request]:
    """What is asked while there is work."""
    begun_s = time.monotonic()
    time.sleep(SECONDS)
    return [r for r in served.requests() if begun_s <= r.received_s < begun_s + SECONDS]


def refuse(served: Rehearsal) -> tuple[Request, list[Request]]:
    """A 429, and what was asked after it until all go on."""
    since = served.requests()[-1].number
    served.weather.add(f"429 retry-after={RETRY_AFTER_S:g} requests=1")
    wait_until(lambda: any(r.status == 429 for r in served.requests(since)), "one was refused")
    refused = next(r for r in served.requests(since) if r.status == 429)
    wait_until(lambda: len(served.requests(refused.number)) > 3 * CRAWLERS, "they go on")
    return refused, served.requests(refused.number)


def test_one_budget_for_eight_crawlers(world: World, database: Database) -> None:
    with serve(world, budget=Budget(requests=int(GRANTED * 600 / WINDOW_S))) as served:
        name = served.site.places[0].name
        with crawling(CRAWLERS, reddit_settings(served), database, name) as process:
            # One more, which asked before them.
            wait_until(lambda: len({r.token for r in served.requests() if r.token}) == CRAWLERS + 1, "begun")
            measured = measure(served)
            refused, after = refuse(served)
        everything = served.requests()
    assert process.returncode == 0
    assert process.stdout is not None
    assert process.stdout.read() == ""

    most = most_in_a_window(received_s(everything), WINDOW_S)
    used_ratio = len(measured) / (0.95 * GRANTED * SECONDS / WINDOW_S)
    shares = sorted(Counter(request.token for request in measured).values())
    sys.stdout.write(f"{len(measured)} requests, {most} in {WINDOW_S:g} s, {used_ratio:.1%} used, {shares}\n")
    assert most <= GRANTED
    assert used_ratio >= 0.95
    assert len(shares) == CRAWLERS
    assert shares[0] >= len(measured) / CRAWLERS / 2

    assert refused.answered_s is not None
    quiet_s = (refused.answered_s + NEWS_S, refused.answered_s + NEWS_S + RETRY_AFTER_S)
    assert [r for r in after if quiet_s[0] <= r.received_s < quiet_s[1]] == []
    # Those that left before everybody knew.
    assert len([r for r in after if r.received_s < quiet_s[0]]) <= CRAWLERS
    assert len({r.token for r in after if r.received_s >= quiet_s[1]}) == CRAWLERS
