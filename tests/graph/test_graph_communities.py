from __future__ import annotations

import itertools
import random

import igraph
import numpy as np
import pytest
from graph_world import World
from hypothesis import given
from hypothesis import strategies as st

from redclust.graph import worker
from redclust.graph.agreement import adjusted_rand
from redclust.graph.communities import LEVELS, Communities, detect, modularity
from redclust.graph.identity import keep_ids
from redclust.graph.worker import Worker

EDGES = st.dictionaries(
    st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.1, 0.5, 1.0, 7.0]),
    max_size=40,
)


def detected(world: World, seed: int = 1, **options) -> Communities:
    return detect(world.n_subreddits, world.source, world.target, world.weight, seed=seed, **options)


def graph(edges: dict[tuple[int, int], float]):
    pairs = sorted(edges)
    source, target = (np.array([pair[end] for pair in pairs], np.int32) for end in (0, 1))
    return source, target, np.array([edges[pair] for pair in pairs], np.float64)


def cliques(*sizes: int, links: tuple[tuple[int, int], ...] = ()) -> dict[tuple[int, int], float]:
    first = np.cumsum([0, *sizes])
    edges = {
        (a, b): 1.0
        for start, end in zip(first[:-1].tolist(), first[1:].tolist(), strict=True)
        for a in range(start, end)
        for b in range(a + 1, end)
    }
    return edges | dict.fromkeys(links, 0.01)


def test_planted_communities_are_found(world: World):
    found = detected(world)
    known = world.topic >= 0
    assert adjusted_rand(world.field[known], found.levels[0][known]) >= 0.98
    assert adjusted_rand(world.topic[known], found.levels[1][known]) >= 0.9


def test_same_bytes_in_another_process(world: World, monkeypatch: pytest.MonkeyPatch):
    here = detected(world)
    monkeypatch.setattr(worker, "INLINE_EDGES", 0)
    with Worker() as process:
        there = process.run(detect, world.n_subreddits, world.source, world.target, world.weight, seed=1)
    for again in (there, detected(world)):
        assert again.levels.tobytes() == here.levels.tobytes()
        assert again.modularity == here.modularity


def test_chance_of_the_caller_is_left_alone(world: World):
    random.seed(3)
    before = random.getstate()
    detected(world)
    assert random.getstate() == before
    igraph.Graph.Erdos_Renyi(n=20, m=30)
    assert random.getstate() != before  # igraph draws from the module again


@given(EDGES)
def test_numbering_and_nesting(edges):
    source, target, weight = graph(edges)
    found = detect(15, source, target, weight, seed=2)
    connected = np.isin(np.arange(15), np.concatenate((source, target)))
    for level in found.levels:
        assert level.dtype == np.int32
        assert ((level >= 0) == connected).all()
        numbers = range(int(level.max(initial=-1)) + 1)
        members = [np.flatnonzero(level == number).tolist() for number in numbers]
        assert members == sorted(members, key=lambda some: (-len(some), some[0]))
        assert all(members)
    for outer, inner in itertools.pairwise(found.levels[:, connected].tolist()):
        pairs = set(zip(outer, inner, strict=True))
        assert len(pairs) == len({number for _, number in pairs})


@given(EDGES)
def test_modularity_is_igraphs(edges):
    source, target, weight = graph(edges)
    found = detect(15, source, target, weight, seed=2)
    for level, found_modularity in zip(found.levels, found.modularity, strict=True):
        membership = np.where(level < 0, 20, level).tolist()
        reference = igraph.Graph(15, list(edges)).modularity(membership, weights=list(edges.values()))
        assert found_modularity == pytest.approx(reference if edges else 0.0, abs=1e-12)


def test_small_leftovers_join_what_they_are_linked_to():
    # 20 cliques of 50 and one pair hanging on the third by a thread; one pair by itself.
    edges = cliques(*[50] * 20, 2, 2, links=((120, 1000), *((i * 50, i * 50 + 50) for i in range(19))))
    source, target, weight = graph(edges)
    found = detect(1004, source, target, weight, seed=1)
    assert found.levels[0][1000] == found.levels[0][1001] == found.levels[0][120]
    assert np.bincount(found.levels[0]).tolist() == [52, *[50] * 19, 2]
    assert set(np.flatnonzero(found.levels[0] == 20).tolist()) == {1002, 1003}


def test_lower_communities_are_found_inside():
    # Families of four cliques, any two of which have 10 links beside the 28 in each.
    links = tuple(
        sorted((family * 32 + a * 8 + i, family * 32 + b * 8 + (i + shift) % 8))
        for family in range(3)
        for a, b in itertools.combinations(range(4), 2)
        for i, shift in [*((i, 0) for i in range(8)), (0, 1), (4, 1)]
    )
    edges = cliques(*[8] * 12) | dict.fromkeys(((low, high) for low, high in links), 1.0)
    source, target, weight = graph(edges)
    found = detect(96, source, target, weight, seed=1)
    assert adjusted_rand(found.levels[0], np.arange(96) // 32) == 1.0
    assert adjusted_rand(found.levels[1], np.arange(96) // 8) == 1.0


def test_previous_partition_is_kept_where_little_changed(world: World):
    first = detected(world)
    again = detected(world, seed=77, previous=first.levels)
    assert (again.levels[0] != first.levels[0]).mean() <= 0.01
    some_new = first.levels.copy()
    some_new[:, ::10] = -1
    assert adjusted_rand(detected(world, previous=some_new).levels[0], first.levels[0]) >= 0.97


def test_lower_levels_stay_too_after_a_small_change():
    """A fiftieth of the links gone moves a third of the nodes from scratch, few from what there was."""
    n, rng = 600, np.random.default_rng(1)
    one, other = np.triu_indices(n, 1)
    chance = np.where(one // 30 == other // 30, 0.25, np.where(one // 150 == other // 150, 0.08, 0.02))
    linked = rng.random(len(one)) < chance
    source, target = one[linked].astype(np.int32), other[linked].astype(np.int32)
    weight = rng.random(len(source)) + 0.5
    first = detect(n, source, target, weight, seed=1)
    kept = rng.random(len(weight)) > 0.02
    moved: list[float] = []
    for previous in (None, first.levels):
        again = detect(n, source[kept], target[kept], weight[kept], seed=9, previous=previous).levels[1]
        ids = keep_ids(again, first.levels[1], n)
        moved.append(float((ids[again] != first.levels[1]).mean()))
    from_scratch, seeded = moved
    assert seeded <= 0.1
    assert from_scratch > 2 * seeded


def test_a_previous_partition_is_mended(world: World):
    first = detected(world)
    wrong = first.levels.copy()
    wrong[:, ::10] = (wrong[:, ::10] + 1) % (first.levels[0].max() + 1)
    assert adjusted_rand(wrong[0], first.levels[0]) < 0.9
    assert adjusted_rand(detected(world, previous=wrong).levels[0], first.levels[0]) >= 0.97


def test_a_previous_partition_of_only_new_nodes_is_none(world: World):
    nothing = np.full((LEVELS, world.n_subreddits), -1, np.int32)
    assert (detected(world, previous=nothing).levels == detected(world).levels).all()


def test_no_edges():
    none = np.empty(0, np.int32)
    found = detect(3, none, none, np.empty(0), seed=1)
    assert found.levels.tolist() == [[-1, -1, -1]] * LEVELS
    assert found.modularity == (0.0,) * LEVELS
    assert modularity(np.zeros(3, np.int32), none, none, np.empty(0)) == 0.0


@pytest.mark.parametrize(
    ("source", "target", "weight", "said"),
    [
        ([0], [3], [1.0], "node 3, outside 0 to 2"),
        ([-1], [2], [1.0], "node -1"),
        ([1], [1], [1.0], "node 1 has an edge to itself"),
        ([0], [1], [0.0], "not positive"),
        ([0], [1], [np.nan], "not positive"),
        ([0, 1], [1, 2], [1.0], "2 sources, 2 targets and 1 weights"),
    ],
)
def test_refuses_what_is_no_graph(source, target, weight, said):
    with pytest.raises(ValueError, match=said):
        detect(3, np.array(source, np.int32), np.array(target, np.int32), np.array(weight), seed=1)
