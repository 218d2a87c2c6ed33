"""One budget for all crawlers: how fast, how fair, what halts it, and what it survives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress

import pytest
from crawlers import PLENTY

from harness import wait_until
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.reddit.budget import Budget, Lane
from redclust.reddit.failures import BudgetSpent, Interrupted
from redclust.reddit.headers import RateHeaders

NAME = "an-id"


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_budget(database: Database) -> Iterator[Callable[..., Budget]]:
    made: list[Budget] = []

    def make(**options: object) -> Budget:
        made.append(Budget(lambda: database.connect(autocommit=True), NAME, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for budget in made:
        budget.close()


def grant(budget: Budget, *, used: float = 0, remaining: float = PLENTY, reset_s: float = 600) -> None:
    """As a response with these headers."""
    budget.answered(budget.enter(), RateHeaders(used, remaining, reset_s), refused=False)


def pace_s(budget: Budget, connection: Connection) -> float:
    """How far behind the next slot the one after it would be."""
    budget.enter()
    row = connection.execute(
        "SELECT extract(epoch FROM next_at - slot_at)::float FROM api_budgets"
    ).fetchone()
    assert row is not None
    return row[0]


def test_the_pace_without_headers_is_95_a_minute(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    assert pace_s(make_budget(), connection) == pytest.approx(60 / 95, abs=0.01)
    assert pace_s(make_budget(requests_per_minute=1_000), connection) == pytest.approx(60 / 95, abs=0.01)
    assert pace_s(make_budget(requests_per_minute=120), connection) == pytest.approx(60 / 95, abs=0.01)


def test_a_slower_pace_is_kept(make_budget: Callable[..., Budget], connection: Connection) -> None:
    assert pace_s(make_budget(requests_per_minute=60), connection) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("used", "remaining", "per_minute"),
    [(4, 996, 95), (1, 599, 57), (10.0, 290.0, 28.5), (0, 10_000, 950), (1, 995, 94.62)],
)
def test_the_pace_follows_the_headers(
    make_budget: Callable[..., Budget],
    connection: Connection,
    used: float,
    remaining: float,
    per_minute: float,
) -> None:
    budget = make_budget()
    grant(budget, used=used, remaining=remaining)
    assert 60 / pace_s(budget, connection) == pytest.approx(per_minute, rel=0.01)


def test_who_else_uses_the_client_slows_us_down(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    """Half of the window's time is left and a tenth of its requests: they are spread over it."""
    budget = make_budget()
    grant(budget, used=900, remaining=100, reset_s=300)
    assert pace_s(budget, connection) == pytest.approx(3, rel=0.05)


def test_headers_of_an_hour_ago_grant_nothing(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    budget = make_budget()
    grant(budget, remaining=10_000)
    connection.execute("UPDATE api_budgets SET granted_at = granted_at - interval '61 min', reset_at = NULL")
    assert pace_s(budget, connection) == pytest.approx(60 / 95, abs=0.01)


def test_headers_that_make_no_sense_change_nothing(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    budget = make_budget()
    grant(budget, remaining=10_000)
    budget.answered(budget.enter(), RateHeaders(), refused=False)
    budget.answered(budget.enter(), RateHeaders(0, 0.5 + 1, None), refused=False)
    assert 60 / pace_s(budget, connection) == pytest.approx(950, rel=0.01)
    assert budget.state().granted_per_minute == 1_000


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({}, RateHeaders()),
        (
            {"X-Ratelimit-Used": "3.0", "x-ratelimit-remaining": "996.5", "x-ratelimit-reset": "12.75"},
            RateHeaders(3, 996.5, 12.75),
        ),
        (
            {"x-ratelimit-used": "None", "x-ratelimit-remaining": "", "x-ratelimit-reset": "null"},
            RateHeaders(),
        ),
        (
            {"x-ratelimit-used": "nan", "x-ratelimit-remaining": "inf", "x-ratelimit-reset": "-1"},
            RateHeaders(),
        ),
        ({"retry-after": "7"}, RateHeaders(retry_after_s=7)),
        ({"retry-after": "0.5"}, RateHeaders(retry_after_s=0.5)),
        ({"retry-after": "soon"}, RateHeaders()),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, RateHeaders(retry_after_s=0)),
    ],
)
def test_headers_in_every_form(sent: dict[str, str], read: RateHeaders) -> None:
    from requests.structures import CaseInsensitiveDict

    assert RateHeaders.of(CaseInsensitiveDict(sent)) == read


@pytest.mark.parametrize(
    ("headers", "refused", "halt_s"),
    [
        (RateHeaders(), False, None),
        (RateHeaders(1, 999, 600), False, None),
        (RateHeaders(1_000, 0, 42), False, 42.5),
        (RateHeaders(1_000, 0.0, None), False, 60.5),
        (RateHeaders(1_000, 0, 0), False, 1.5),
        (RateHeaders(retry_after_s=7), True, 7.5),
        (RateHeaders(retry_after_s=0), True, 1.5),
        (RateHeaders(retry_after_s=86_400), True, 3600.5),
        (RateHeaders(1_000, 0, 42), True, 42.5),
        (RateHeaders(5, 995, 42), True, None),
    ],
)
def test_how_long_an_answer_halts(headers: RateHeaders, refused: bool, halt_s: float | None) -> None:
    assert headers.halt_s(refused=refused) == halt_s


def test_who_slept_for_a_slot_looks_again(make_budget: Callable[..., Budget]) -> None:
    """A halt that comes while a slot is slept for is obeyed, though the slot was there before."""
    waiting, halting = make_budget(requests_per_minute=60), make_budget()
    first = waiting.enter()
    ticket: list[float] = []
    sleeper = threading.Thread(target=lambda: (waiting.enter(), ticket.append(time.monotonic())))
    sleeper.start()
    time.sleep(0.3)
    halting.answered(first, RateHeaders(retry_after_s=1.5), refused=True)
    halted_s = time.monotonic()
    sleeper.join(20)
    assert ticket[0] - halted_s >= 1.9


def test_refusals_without_a_time_halt_for_longer_each_time(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    budget = make_budget(max_wait_s=0.01)
    halts: list[float] = []
    ticket = budget.enter()
    for _ in range(9):
        budget.answered(ticket, RateHeaders(), refused=True)
        # A second refusal of the same halt, as of requests that were on the wire together.
        budget.answered(ticket, RateHeaders(), refused=True)
        halts.append(budget.state().wait_s)
        connection.execute("UPDATE api_budgets SET halted_until = clock_timestamp(), next_at = NULL")
    assert halts[0] == pytest.approx(10, abs=0.5)
    assert halts[1] == pytest.approx(20, abs=0.5)
    assert halts[-1] == pytest.approx(640, abs=0.5)
    budget.answered(ticket, RateHeaders(), refused=False)
    assert budget.state().halted_until is None


def test_a_slot_too_far_away_is_not_waited_for(make_budget: Callable[..., Budget]) -> None:
    budget = make_budget(max_wait_s=30)
    budget.answered(budget.enter(), RateHeaders(retry_after_s=300), refused=True)
    with pytest.raises(BudgetSpent, match=r"until .* UTC: 429 with retry-after 300 s") as caught:
        budget.enter()
    assert caught.value.exit_code == 15
    halted_until = budget.state().halted_until
    assert caught.value.retry_at is not None
    assert halted_until is not None
    assert abs((caught.value.retry_at - halted_until).total_seconds()) < 1
    assert budget.sent == 1


@contextmanager
def busy(make_budget: Callable[..., Budget], *, crawlers: int = 3) -> Generator[list[Budget]]:
    """Crawlers that always want the next slot, ten a second together."""
    stop = threading.Event()
    budgets = [make_budget(requests_per_minute=600) for _ in range(crawlers)]
    grant(budgets[0])

    def crawl(budget: Budget) -> None:
        while not stop.is_set():
            budget.enter()

    threads = [threading.Thread(target=crawl, args=[budget], daemon=True) for budget in budgets]
    for thread in threads:
        thread.start()
    try:
        yield budgets
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def test_spare_work_takes_only_what_is_left(make_budget: Callable[..., Budget]) -> None:
    """While crawlers use every slot the spare lane gets none; when they pause it gets what it wants."""
    ended = threading.Event()
    spare = make_budget(lane=Lane.SPARE, interrupt=ended)
    with busy(make_budget) as crawlers:
        wait_until(lambda: all(crawler.sent > 1 for crawler in crawlers), "all crawl")

        def refresh() -> None:
            with suppress(Interrupted):
                while True:
                    spare.enter()

        waiting = threading.Thread(target=refresh, daemon=True)
        waiting.start()
        before = sum(crawler.sent for crawler in crawlers)
        wait_until(lambda: sum(crawler.sent for crawler in crawlers) > before + 12, "they go on")
        taken = spare.sent
    wait_until(lambda: spare.sent > 3, "the spare lane goes on when the others pause")
    ended.set()
    waiting.join(10)
    assert taken == 0


def test_spare_work_is_not_starved_for_ever(
    make_budget: Callable[..., Budget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redclust.reddit.budget.SPARE_PATIENCE_S", 0.5)
    spare = make_budget(lane=Lane.SPARE)
    with busy(make_budget):
        spare.enter()
    assert spare.sent == 1


def test_a_wait_ends_when_the_caller_says_so(make_budget: Callable[..., Budget]) -> None:
    ended = threading.Event()
    waits: list[tuple[float, str]] = []
    budget = make_budget(interrupt=ended, on_wait=lambda seconds, reason: waits.append((seconds, reason)))
    budget.answered(budget.enter(), RateHeaders(retry_after_s=60), refused=True)
    threading.Timer(0.2, ended.set).start()
    begun_s = time.monotonic()
    with pytest.raises(Interrupted):
        budget.enter()
    assert time.monotonic() - begun_s < 30
    assert waits[-1][1] == "429 with retry-after 60 s"
    assert waits[-1][0] == pytest.approx(60, abs=1)
    with pytest.raises(Interrupted):
        budget.enter()


def test_no_row_is_held_while_somebody_waits(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    budget = make_budget(requests_per_minute=60)
    budget.enter()
    sleeper = threading.Thread(target=budget.enter, daemon=True)
    sleeper.start()
    time.sleep(0.2)
    connection.execute("SET lock_timeout = '100ms'")
    connection.execute("SELECT * FROM api_budgets FOR UPDATE")
    states = connection.execute(
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    assert states
    assert {state for (state,) in states} == {"idle"}
    sleeper.join(5)


def test_the_budget_outlives_its_session(make_budget: Callable[..., Budget], connection: Connection) -> None:
    budget = make_budget()
    grant(budget)
    for _ in range(3):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        budget.enter()
    assert budget.sent == 4
    assert budget.state().sent == 4
