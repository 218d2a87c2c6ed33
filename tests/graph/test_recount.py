"""Shared users after a change, counted from those before it: exactly those that counting everything gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redclust.graph.overlap import Enough, Minimum, Overlap, shared_users
from redclust.graph.recount import Memberships, recount

MIB = 1 << 20
N_USERS, N = 60, 9
MEMBERSHIP = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N - 1))


def memberships(pairs: set[tuple[int, int]]) -> Memberships:
    rows = np.array(sorted(pairs), np.int32).reshape(-1, 2)
    return Memberships(np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1]))


def counted(of: Memberships, minimum: int | Minimum) -> Overlap:
    return shared_users(of.users, of.subreddits, N, minimum=minimum)


def pairs_of(found: Overlap) -> dict[tuple[int, int], int]:
    rows = zip(found.source.tolist(), found.target.tolist(), found.shared.tolist(), strict=True)
    return {(one, other): shared for one, other, shared in rows}


def assert_recounted(before: Memberships, after: Memberships, minimum: int | Minimum) -> None:
    old, new = (
        set(zip(side.users.tolist(), side.subreddits.tolist(), strict=True)) for side in (before, after)
    )
    changed = {user for user, _ in old ^ new}
    found = recount(
        memberships({pair for pair in old if pair[0] in changed}),
        memberships({pair for pair in new if pair[0] in changed}),
        after,
        counted(before, minimum),
        was=Enough.of(before.users, np.bincount(before.subreddits, minlength=N), minimum),
        n=N,
        memory_bytes=MIB,
        progress=lambda _: None,
    )
    wanted = counted(after, minimum)
    for name in ("source", "target", "shared"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist()


@given(
    st.sets(MEMBERSHIP), st.sets(MEMBERSHIP, max_size=6), st.sets(MEMBERSHIP, max_size=6), st.integers(1, 4)
)
@settings(deadline=None)
def test_any_change(
    before: set[tuple[int, int]], come: set[tuple[int, int]], gone: set[tuple[int, int]], minimum: int
) -> None:
    assert_recounted(memberships(before), memberships((before - gone) | come), minimum)


@given(st.sets(MEMBERSHIP), st.sets(MEMBERSHIP, max_size=20), st.sets(MEMBERSHIP, max_size=40))
@settings(deadline=None)
@pytest.mark.parametrize("bits", [0, 3])
@pytest.mark.parametrize("minimum", [Minimum(3, 2), Minimum(9, 1)])
def test_pairs_of_small_subreddits(
    bits: int,
    minimum: Minimum,
    before: set[tuple[int, int]],
    come: set[tuple[int, int]],
    gone: set[tuple[int, int]],
) -> None:
    """A subreddit that shrinks, and a crowd that grows, make pairs small that nobody has touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redclust.graph.overlap._SMALL_BITS", bits)
        patch.setattr("redclust.graph.recount._LOOKUP_COST", 0)
        assert_recounted(memberships(before), memberships((before - gone) | come), minimum)


def test_a_pair_becomes_small_without_a_change_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redclust.graph.overlap._SMALL_BITS", 2)
    # Two share subreddits 0 and 1, which have 9 users and 2; 40 more are elsewhere. Then one leaves 0.
    both = {(u, s) for u in (0, 1) for s in (0, 1)}
    others = {(u, 0) for u in range(2, 9)} | {(u, s) for u in range(9, 49) for s in (3, 4)}
    before, after = memberships(both | others), memberships((both | others) - {(8, 0)})
    assert (0, 1) not in pairs_of(counted(before, Minimum(3, 2)))
    assert pairs_of(counted(after, Minimum(3, 2)))[0, 1] == 2
    assert_recounted(before, after, Minimum(3, 2))


@pytest.mark.parametrize("block", [1, 7, 1_000_000])
def test_pairs_that_come_over_the_minimum(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Those are looked up: by the smaller subreddit, in blocks."""
    monkeypatch.setattr("redclust.graph.recount._BLOCK", block)
    monkeypatch.setattr("redclust.graph.recount._LOOKUP_COST", 0)
    before = {(u, s) for u in range(N_USERS) for s in range(N) if (u * 7 + s * 3) % 5 < 2}
    one_more = {(u, s) for u in (3, 4) for s in range(N)}
    for minimum in (1, 3, 9, 14, 20):
        assert_recounted(memberships(before), memberships(before | one_more), minimum)
        assert_recounted(memberships(before | one_more), memberships(before), minimum)
