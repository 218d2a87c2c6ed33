from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from redclust.graph.identity import keep_ids, match

PARTITION = st.lists(st.integers(-1, 6), min_size=12, max_size=12)


def ids(found: list[int], previous: list[int], next_id: int = 100) -> list[int]:
    return keep_ids(np.array(found, np.int32), np.array(previous, np.int32), next_id).tolist()


def test_the_same_partition_under_other_numbers_keeps_its_ids():
    assert ids([1, 1, 0, 0, 0, -1], [7, 7, 3, 3, 3, -1]) == [3, 7]


def test_the_larger_part_of_a_split_keeps_the_id():
    assert ids([0, 0, 0, 1, 1], [4, 4, 4, 4, 4]) == [4, 100]


def test_a_merger_keeps_the_id_of_the_larger_one():
    assert ids([0, 0, 0, 0, 0], [4, 4, 9, 9, 9]) == [9]


def test_new_members_do_not_count():
    assert ids([0, 0, 0, 1, 1], [-1, -1, 4, 5, 5]) == [4, 5]


def test_nothing_before_and_nothing_now():
    assert ids([0, 1], [-1, -1]) == [100, 101]
    assert ids([-1, -1], [3, 3]) == []


@given(PARTITION, PARTITION)
def test_each_id_once_and_each_match_shares_a_member(found: list[int], previous: list[int]):
    now, before = np.array(found, np.int32), np.array(previous, np.int32)
    matched = match(now, before)
    given_ids = keep_ids(now, before, 100)
    assert len(set(given_ids.tolist())) == len(given_ids)
    for number, old in enumerate(matched.tolist()):
        if old >= 0:
            assert ((now == number) & (before == old)).any()
            assert given_ids[number] == old
