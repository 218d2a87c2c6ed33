from __future__ import annotations

import math

import numpy as np
import pytest
from graph_world import World
from hypothesis import given
from hypothesis import strategies as st

from redclust.graph.weights import backbone, lift_bound

EDGES = st.dictionaries(
    st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    min_size=1,
)


def bound(shared: int, one: int, other: int, n_users: int) -> float:
    counts = [np.array([count], np.int32) for count in (shared, one, other)]
    return float(lift_bound(counts[0], counts[1], counts[2], n_users)[0])


@pytest.mark.parametrize("shared", [1, 2, 3, 10, 100, 101, 250])
def test_bound_is_the_mean_that_reaches_the_count_once_in_a_thousand_times(shared: int):
    mean = math.exp(bound(shared, 1_000, 1_000, 1_000_000))
    fewer = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(shared))
    assert 1.0 - fewer == pytest.approx(0.001, rel=1e-6 if shared <= 100 else 0.01)


def test_bound_is_of_the_lift():
    alone = bound(100, 1_000, 1_000, 1_000_000)
    assert bound(100, 500, 2_000, 3_000_000) == pytest.approx(alone + math.log(3))


def test_bound_believes_many_more_than_few():
    assert bound(300, 1_000, 1_000, 100_000) > bound(3, 100, 100, 100_000)
    assert bound(3, 1_000, 1_000, 1_000_000) < math.log(3)


def test_large_sizes_do_not_overflow():
    assert bound(1_000_000, 40_000_000, 50_000_000, 60_000_000) == pytest.approx(
        math.log((1e6 - 3_090) * 60e6 / 40e6 / 50e6), rel=1e-4
    )


def test_refuses_more_shared_than_there_are():
    with pytest.raises(ValueError, match="shares no user, or more"):
        bound(11, 10, 20, 100)
    with pytest.raises(ValueError, match="shares no user, or more"):
        bound(0, 10, 20, 100)


@given(EDGES, st.integers(1, 4))
def test_backbone_is_each_nodes_strongest(edges, k):
    pairs = sorted(edges)
    source, target = (np.array([pair[end] for pair in pairs], np.int32) for end in (0, 1))
    weight = np.array([edges[pair] for pair in pairs])
    expected: set[tuple[int, int]] = set()
    for node in range(9):
        mine = [pair for pair in pairs if node in pair]
        expected.update(sorted(mine, key=lambda pair: (-edges[pair], sum(pair) - node))[:k])
    kept = backbone(source, target, weight, 9, k)
    assert {pair for pair, keep in zip(pairs, kept, strict=True) if keep} == expected


def test_hubs_do_not_swallow_the_backbone(world: World):
    kept = backbone(world.source, world.target, world.weight, world.n_subreddits)
    source, target = world.source[kept], world.target[kept]
    assert set(np.concatenate((source, target)).tolist()) == set(
        np.concatenate((world.source, world.target)).tolist()
    )
    hub = world.topic < 0
    assert (hub[source] | hub[target]).mean() < 0.1
