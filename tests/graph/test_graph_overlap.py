from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from graph_world import World
from hypothesis import given
from hypothesis import strategies as st

from redclust.graph import overlap
from redclust.graph.overlap import Minimum, Overlap, distinct_subreddits, shared_users

MEMBERSHIPS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=90)


def arrays(memberships: list[tuple[int, int]]) -> tuple[overlap.Int32Array, overlap.Int32Array]:
    pairs = np.array(memberships, np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def counted_by_hand(memberships: list[tuple[int, int]], minimum: int) -> list[tuple[int, int, int]]:
    of_user: dict[int, list[int]] = {}
    for user, subreddit in memberships:
        of_user.setdefault(user, []).append(subreddit)
    pairs = Counter(pair for subs in of_user.values() for pair in itertools.combinations(sorted(subs), 2))
    return sorted((a, b, n) for (a, b), n in pairs.items() if n >= minimum)


def rows(found: Overlap) -> list[tuple[int, int, int]]:
    assert found.source.dtype == found.target.dtype == found.shared.dtype == np.int32
    return list(zip(found.source.tolist(), found.target.tolist(), found.shared.tolist(), strict=True))


@given(MEMBERSHIPS, st.integers(1, 4), st.sampled_from([1, 500, 10**8]), st.randoms(use_true_random=False))
def test_equals_a_count_by_hand(memberships, minimum, memory_bytes, random):
    shuffled = list(memberships)
    random.shuffle(shuffled)
    users, subreddits = arrays(shuffled)
    found = shared_users(users, subreddits, 10, minimum=minimum, memory_bytes=memory_bytes)
    assert rows(found) == counted_by_hand(shuffled, minimum)


@given(MEMBERSHIPS, st.integers(1, 3))
def test_sparse_blocks_count_the_same(memberships, minimum):
    users, subreddits = arrays(list(memberships))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "_SPARSE_RATIO", 0)  # every block of more than one row is sorted
        found = shared_users(users, subreddits, 10, minimum=minimum)
    assert rows(found) == counted_by_hand(list(memberships), minimum)


@given(st.sets(st.tuples(st.integers(0, 70), st.integers(0, 9)), max_size=200), st.integers(1, 2))
def test_small_subreddits_have_a_minimum_of_their_own(memberships, small):
    users, subreddits = arrays(sorted(memberships))
    found = shared_users(users, subreddits, 10, minimum=Minimum(3, small))

    def rounded_up(number: int) -> int:
        return 1 << (number - 1).bit_length()

    size = Counter(subreddits.tolist())
    everybody = rounded_up(max(len(set(users.tolist())), 1))
    assert rows(found) == [
        (a, b, n)
        for a, b, n in counted_by_hand(list(memberships), small)
        if n >= 3 or 16 * rounded_up(size[a]) * rounded_up(size[b]) <= everybody
    ]


def test_blocks_of_any_size_give_the_same_pairs(world: World):
    one, *others = (
        shared_users(world.users, world.subreddits, world.n_subreddits, minimum=2, memory_bytes=memory_bytes)
        for memory_bytes in (1 << 28, 1 << 20, 1 << 14)
    )
    assert len(one.source) > 50_000
    for other in others:
        assert np.array_equal(other.source, one.source)
        assert np.array_equal(other.target, one.target)
        assert np.array_equal(other.shared, one.shared)


def test_many_subreddits(world: World):
    factor = 2**21 // world.n_subreddits
    spread = world.subreddits * np.int32(factor)
    expected = shared_users(world.users, world.subreddits, world.n_subreddits, minimum=3)
    found = shared_users(world.users, spread, 2**21, minimum=3)
    assert rows(found) == [(a * factor, b * factor, n) for a, b, n in rows(expected)]


@pytest.mark.parametrize("n_subreddits", [2**20, 2**31 - 1])  # the second does not fit in 63 bits
def test_order_of_pairs(n_subreddits):
    pairs = [(n_subreddits - 3, n_subreddits - 2, 700), (5, n_subreddits - 1, 3), (5, 6, 40_000), (0, 1, 9)]
    parts = [np.array(column, np.int32) for column in zip(*pairs, strict=True)]
    found = overlap._in_order([(parts[0], parts[1], parts[2])], n_subreddits)
    assert rows(found) == sorted(pairs)


def test_memory_of_the_blocks_stays_in_its_bounds(world: World):
    memory_bytes = 200_000
    n_threads = 2
    increments, counters = overlap._block_limits(memory_bytes, n_threads)
    size = np.bincount(world.subreddits, minlength=world.n_subreddits)
    enough = overlap.Enough.of(world.users, size, Minimum(3, 2))
    index = overlap._build_index(world.users, world.subreddits, size, 2)
    tracemalloc.start()
    try:
        for block in overlap._blocks(index, increments, counters):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            overlap._count(index, block, enough, increments)
            assert tracemalloc.get_traced_memory()[1] - before <= memory_bytes // n_threads
    finally:
        tracemalloc.stop()


def test_progress_rises_to_one(world: World):
    told: list[float] = []
    shared_users(world.users, world.subreddits, world.n_subreddits, minimum=3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 1


def test_nothing_to_count():
    none = np.empty(0, np.int32)
    told: list[float] = []
    assert rows(shared_users(none, none, 0, minimum=1, progress=told.append)) == []
    assert told == [1.0]


@pytest.mark.parametrize(
    ("users", "subreddits", "said"),
    [
        ([-1], [0], "user -1 is negative"),
        ([0], [-2], "subreddit -2 is negative"),
        ([0], [3], "subreddit 3 is not below 3"),
        ([0, 1], [0], "one length"),
        ([4, 1, 4], [2, 2, 2], "user 4 and subreddit 2 are there twice"),
    ],
)
def test_refuses_what_is_no_membership(users, subreddits, said):
    with pytest.raises(ValueError, match=said):
        shared_users(np.array(users, np.int32), np.array(subreddits, np.int32), 3, minimum=1)


def test_refuses_a_minimum_of_none():
    none = np.empty(0, np.int32)
    with pytest.raises(ValueError, match="at least 1"):
        shared_users(none, none, 1, minimum=0)


def test_distinct_subreddits():
    assert distinct_subreddits(np.array([0, 2, 2], np.int32), 4).tolist() == [1, 0, 2, 0]
    with pytest.raises(ValueError, match="user 2 is not below 2"):
        distinct_subreddits(np.array([2], np.int32), 2)
