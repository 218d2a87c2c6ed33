"""Tidy's plan for any history: it never goes under the floor and takes nothing that is not its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from redclust.ops.backup.retention import Candidate, Policy, plan

BEGIN = datetime(2025, 11, 3, tzinfo=UTC)

candidates = st.lists(
    st.builds(
        lambda number, hours, rows, verified, pinned: Candidate(
            f"backup_{number}", BEGIN + timedelta(hours=hours), rows, verified, pinned
        ),
        st.integers(0, 10_000),
        st.integers(0, 24 * 400),
        st.integers(0, 1000),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=40,
)
policies = st.builds(Policy, st.integers(-1, 10), st.integers(0, 8), st.integers(0, 6), st.integers(0, 14))


@given(candidates, policies)
def test_any_history(history: list[Candidate], policy: Policy) -> None:
    found = plan(history, policy)
    verified = {one.name: one for one in history if one.verified}
    removed = set(found.remove)
    left = verified.keys() - removed
    # It owns verified backups alone, and of those no pinned one.
    assert removed <= verified.keys()
    assert not {one.name for one in history if one.pinned} & removed
    assert not removed & found.keep.keys()
    assert removed | found.keep.keys() >= verified.keys()
    # The floor: the newest, and as many as the policy asks for.
    assert len(left) >= min(len(verified), max(1, policy.last))
    newest_first = sorted(verified.values(), key=lambda one: (one.at, one.name), reverse=True)
    assert {one.name for one in newest_first[: max(1, policy.last)]} <= left
    for count, bucket in (
        (policy.daily, lambda at: at.date()),
        (policy.weekly, lambda at: at.isocalendar()[:2]),
        (policy.monthly, lambda at: (at.year, at.month)),
    ):
        buckets = list(dict.fromkeys(bucket(one.at) for one in newest_first))
        assert set(buckets[:count]) <= {bucket(verified[name].at) for name in left}
    if 2 * len(removed) > len(verified):
        assert found.brake
    if removed and 2 * newest_first[0].rows < newest_first[1].rows:
        assert found.brake


@given(candidates, policies, st.permutations(range(40)))
def test_the_order_of_the_history_is_no_matter(
    history: list[Candidate], policy: Policy, order: list[int]
) -> None:
    shuffled = [history[n] for n in order if n < len(history)]
    assert plan(shuffled, policy) == plan(history, policy)


@given(candidates, policies)
def test_what_was_tidied_stays(history: list[Candidate], policy: Policy) -> None:
    """Tidying again with the same policy removes nothing more."""
    removed = set(plan(history, policy).remove)
    left = [one for one in history if one.name not in removed]
    assert plan(left, policy).remove == ()


def day(number: int, *, verified: bool = True, rows: int = 100) -> Candidate:
    return Candidate(f"day{number:02}", BEGIN + timedelta(days=number), rows, verified)


def test_the_last_seven_as_the_runbook_has_it() -> None:
    found = plan([day(n) for n in range(8)], Policy(7))
    assert (found.remove, found.brake) == (("day00",), "")
    assert found.keep["day07"] == ("the newest",)


def test_bad_backups_push_no_good_one_out() -> None:
    bad = [day(n, verified=False) for n in range(2, 30)]
    assert plan([day(0), day(1), *bad], Policy(2)).remove == ()


def test_the_brake_of_a_shrunken_database() -> None:
    shrunken = [*(day(n) for n in range(7)), day(7, rows=49)]
    assert "day07, has 49 rows, less than half of the 100" in plan(shrunken, Policy(7)).brake
    assert plan([*(day(n) for n in range(7)), day(7, rows=50)], Policy(7)).brake == ""
    assert plan(shrunken[:1] + shrunken[-1:], Policy(7)).brake == "", "nothing would go"


def test_the_brake_of_a_changed_policy() -> None:
    assert plan([day(n) for n in range(14)], Policy(6)).brake.startswith("8 of 14 verified backups would go")
    assert plan([day(n) for n in range(14)], Policy(7)).brake == ""


def test_days_weeks_and_months_keep_their_newest() -> None:
    history = [day(n) for n in range(60)]
    kept = plan(history, Policy(2, daily=3, weekly=2, monthly=3)).keep
    assert list(kept) == ["day59", "day58", "day57", "day55", "day27"]
    assert kept["day55"] == ("the newest of 2025 week 52",)
    assert all(a > b for a, b in pairwise(kept))
