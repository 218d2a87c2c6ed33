"""The circuit breaker: shared, half open for one probe at a time, and closing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.reddit import breaker
from redclust.reddit.budget import Budget, Ticket, client_key
from redclust.reddit.failures import BreakerOpen
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


def answer(budget: Budget, ticket: Ticket) -> None:
    budget.answered(ticket, RateHeaders(0, 1_000_000, 600), refused=False)


def fail(budgets: list[Budget], times: int) -> None:
    """In turn, as crawlers on several machines."""
    answer(budgets[0], budgets[0].enter())
    for n in range(times):
        budget = budgets[n % len(budgets)]
        budget.failed(budget.enter(), "503")


def pass_time(connection: Connection) -> None:
    """As if the breaker's minute, or a probe's time, were over."""
    connection.execute(
        "UPDATE api_budgets SET open_until = clock_timestamp() - interval '1 s', "
        "probe_until = CASE WHEN probe IS NOT NULL THEN clock_timestamp() - interval '1 s' END"
    )


def test_five_failures_in_a_row_of_any_processes_open_it(make_budget: Callable[..., Budget]) -> None:
    budgets = [make_budget() for _ in range(3)]
    fail(budgets, 4)
    assert budgets[0].state().open_until is None
    budgets[1].failed(budgets[1].enter(), "timed out")
    sent = budgets[0].state().sent
    for budget in (*budgets, make_budget()):
        with pytest.raises(BreakerOpen, match=r"circuit breaker open until .* UTC") as caught:
            budget.enter()
        assert "5 times in a row, the last time: timed out" in str(caught.value)
        assert caught.value.exit_code == 15
        assert caught.value.retry_at is not None
    state = budgets[0].state()
    assert state.open_until is not None
    assert 55 < (state.open_until - state.now_at).total_seconds() <= 60
    assert state.sent == sent


def test_an_answer_in_between_begins_anew(make_budget: Callable[..., Budget]) -> None:
    budgets = [make_budget(), make_budget()]
    for _ in range(3):
        fail(budgets, 4)
    assert budgets[0].state().failures == 4
    assert budgets[0].state().open_until is None


def test_one_probe_at_a_time_closes_it(make_budget: Callable[..., Budget], connection: Connection) -> None:
    first, second = make_budget(), make_budget()
    fail([first, second], 5)
    pass_time(connection)
    probe = first.enter()
    assert probe.probing
    with pytest.raises(BreakerOpen):
        second.enter()
    answer(first, probe)
    assert first.state().open_until is None
    assert first.state().failures == 0
    ticket = second.enter()
    assert not ticket.probing


def test_a_failed_probe_opens_it_again(make_budget: Callable[..., Budget], connection: Connection) -> None:
    first, second = make_budget(), make_budget()
    fail([first, second], 5)
    pass_time(connection)
    first.failed(first.enter(), "504")
    with pytest.raises(BreakerOpen, match="the last time: 504") as caught:
        second.enter()
    assert caught.value.retry_at is not None
    assert (caught.value.retry_at - first.state().now_at).total_seconds() > 50


def test_a_probe_that_dies_blocks_nobody_for_ever(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    dead, living = make_budget(probe_s=30), make_budget()
    fail([dead, living], 5)
    pass_time(connection)
    lost = dead.enter()
    with pytest.raises(BreakerOpen) as caught:
        living.enter()
    assert caught.value.retry_at is not None
    assert (caught.value.retry_at - dead.state().now_at).total_seconds() <= 30
    pass_time(connection)
    probe = living.enter()
    assert probe.probing
    # The one that was given up comes back, and is asked no more.
    dead.failed(lost, "timed out")
    answer(dead, lost)
    assert dead.state().open_until is not None
    answer(living, probe)
    assert living.state().open_until is None


def test_those_on_the_wire_when_it_opens_change_nothing(make_budget: Callable[..., Budget]) -> None:
    budget = make_budget()
    answer(budget, budget.enter())
    late = [budget.enter() for _ in range(3)]
    fail([budget], 5)
    open_until = budget.state().open_until
    budget.failed(late[0], "503")
    answer(budget, late[1])
    budget.answered(late[2], RateHeaders(retry_after_s=1), refused=True)
    assert budget.state().open_until == open_until


def test_a_reset_closes_it_and_names_what_was_open(
    make_budget: Callable[..., Budget], connection: Connection
) -> None:
    budget = make_budget()
    assert breaker.reset(connection) == []
    fail([budget], 5)
    assert [state.client for state in breaker.states(connection)] == [client_key(NAME)]
    assert breaker.reset(connection) == [client_key(NAME)]
    assert not budget.enter().probing
    assert breaker.reset(connection) == []
