from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from graph_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from redclust.graph import worker
from redclust.graph.agreement import adjusted_rand
from redclust.graph.communities import detect
from redclust.graph.discs import Edges, turned
from redclust.graph.layout import place, user_positions
from redclust.graph.overlap import distinct_subreddits, shared_users
from redclust.graph.packing import annulus, enclosing_circle, ring, separate
from redclust.graph.weights import lift_bound
from redclust.graph.worker import Worker

RADII = st.lists(st.floats(0.01, 100), min_size=2, max_size=40)
EDGES = st.sets(
    st.tuples(st.integers(0, 24), st.integers(0, 24)).filter(lambda pair: pair[0] < pair[1]), max_size=60
)


def distances(positions: np.ndarray) -> np.ndarray:
    where = positions[:, 0] + 1j * positions[:, 1]
    apart = np.abs(where[:, None] - where[None, :])
    np.fill_diagonal(apart, np.inf)
    return apart


def near_of(positions: np.ndarray, some: np.ndarray, k: int) -> np.ndarray:
    where = positions[:, 0] + 1j * positions[:, 1]
    apart = np.abs(where[some][:, None] - where[None, :])
    apart[np.arange(len(some)), some] = np.inf
    return np.argpartition(apart, k, axis=1)[:, :k]


def test_same_bytes_in_another_process(world: World, monkeypatch: pytest.MonkeyPatch):
    found = detect(world.n_subreddits, world.source, world.target, world.weight, seed=1)
    arguments = world.n_subreddits, world.source, world.target, world.weight, found
    here = place(*arguments, seed=1)
    assert place(*arguments, seed=1).tobytes() == here.tobytes()
    monkeypatch.setattr(worker, "INLINE_EDGES", 0)
    with Worker() as process:
        assert process.run(place, *arguments, seed=1).tobytes() == here.tobytes()


def test_neighbours_on_the_map_are_of_one_topic(world: World):
    found = detect(world.n_subreddits, world.source, world.target, world.weight, seed=1)
    positions = place(world.n_subreddits, world.source, world.target, world.weight, found, seed=1)
    known = np.flatnonzero(world.topic >= 0)
    near = near_of(positions[known], np.arange(len(known)), 10)
    assert (world.topic[known][near] == world.topic[known][:, None]).mean() >= 0.8
    assert (world.field[known][near] == world.field[known][:, None]).mean() >= 0.95


@settings(max_examples=60, deadline=None)
@given(EDGES, st.lists(st.floats(0.5, 50), min_size=25, max_size=25))
def test_no_two_nodes_at_one_place(edges, size):
    pairs = np.array(sorted(edges), np.int32).reshape(-1, 2)
    source, target, weight = pairs[:, 0], pairs[:, 1], np.ones(len(pairs))
    found = detect(25, source, target, weight, seed=1)
    positions = place(25, source, target, weight, found, seed=1, size=np.array(size))
    assert np.isfinite(positions).all()
    assert distances(positions).min() > 1e-3


def test_discs_of_communities_do_not_overlap(world: World):
    found = detect(world.n_subreddits, world.source, world.target, world.weight, seed=1)
    positions = place(world.n_subreddits, world.source, world.target, world.weight, found, seed=1)
    where = positions[:, 0] + 1j * positions[:, 1]
    for number in range(int(found.levels[0].max()) + 1):
        member = found.levels[0] == number
        middle, radius = enclosing_circle(where[member], np.full(np.count_nonzero(member), 1e-9))
        strangers = (found.levels[0] >= 0) & ~member
        # The circle is a little larger than the smallest there is.
        assert (np.abs(where[strangers] - middle) > radius * 0.95).all()


def test_nodes_without_edges_lie_around_the_map_and_the_middle_is_0():
    ring_of = np.arange(40, dtype=np.int32)
    source, target = ring_of[:-1], ring_of[1:]
    found = detect(60, source, target, np.ones(39), seed=1)
    positions = place(60, source, target, np.ones(39), found, seed=1)
    far = np.hypot(positions[:, 0], positions[:, 1])
    assert far[40:].min() > far[:40].max()
    middle, _ = enclosing_circle(positions[:40, 0] + 1j * positions[:40, 1], np.full(40, 1e-9))
    assert abs(middle) < 0.2 * far[:40].max()


def test_communities_linked_to_no_other_keep_apart():
    # Two linked cliques and 30 pairs by themselves.
    clique = [(a, b) for a in range(12) for b in range(a + 1, 12)]
    pairs = np.array(
        [*clique, *((a + 12, b + 12) for a, b in clique), (0, 12), *((i, i + 1) for i in range(24, 84, 2))],
        np.int32,
    )
    found = detect(84, pairs[:, 0], pairs[:, 1], np.ones(len(pairs)), seed=1)
    positions = place(84, pairs[:, 0], pairs[:, 1], np.ones(len(pairs)), found, seed=1)
    assert distances(positions).min() > 0.3
    far = np.hypot(positions[:, 0], positions[:, 1])
    assert far[24:].min() > far[:24].max()


def test_discs_are_turned_and_mirrored_towards_their_links():
    # Members 0 and 1 are linked to a disc in the east and one in the south; 2 to one in the north.
    inside = np.array([-1, -1j, 1, 0, 0, 0], np.complex128)
    group = np.array([0, 0, 1, 2, 3, 4], np.int32)
    centre = np.array([0, 100, 10, -10j, 100 + 10j], np.complex128)
    links = Edges(np.array([0, 1, 2], np.int32), np.array([3, 4, 5], np.int32), np.ones(3))
    result = turned(inside, group, centre, links)
    assert result[:3] == pytest.approx(np.array([1, -1j, 1j]))
    links = Edges(links.source, np.array([4, 3, 5], np.int32), np.ones(3))
    assert turned(inside, group, centre, links)[:2] == pytest.approx(np.array([-1j, 1]))


def test_size_takes_its_area():
    clique = [(a, b) for a in range(20) for b in range(a + 1, 20)]
    pairs = np.array(clique + [(a + 20, b + 20) for a, b in clique] + [(0, 20)], np.int32)
    weight = np.ones(len(pairs))
    found = detect(40, pairs[:, 0], pairs[:, 1], weight, seed=1)
    size = np.where(np.arange(40) < 20, 1.0, 16.0)
    positions = place(40, pairs[:, 0], pairs[:, 1], weight, found, seed=1, size=size)
    spread = [np.ptp(positions[some], axis=0).max() for some in (slice(0, 20), slice(20, 40))]
    assert 3.0 < spread[1] / spread[0] < 5.0


@pytest.mark.parametrize("size", [[1.0], [1.0, 0.0], [1.0, np.inf]])
def test_refuses_a_size_that_is_none(size):
    one = np.array([0], np.int32)
    found = detect(2, one, one + np.int32(1), np.ones(1), seed=1)
    with pytest.raises(ValueError, match="size"):
        place(2, one, one + np.int32(1), np.ones(1), found, seed=1, size=np.array(size))


def test_refuses_edges_of_other_communities():
    none = np.empty(0, np.int32)
    nothing = detect(2, none, none, np.empty(0), seed=1)
    one = np.array([0], np.int32)
    with pytest.raises(ValueError, match="in no community"):
        place(2, one, one + np.int32(1), np.ones(1), nothing, seed=1)


def test_the_empty_map():
    none = np.empty(0, np.int32)
    nothing = detect(0, none, none, np.empty(0), seed=1)
    assert place(0, none, none, np.empty(0), nothing, seed=1).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(RADII, st.sampled_from(["at one place", "in a line", "anywhere"]))
def test_separate_leaves_no_overlap(radii, drawn):
    radius = np.array(radii)
    start = {
        "at one place": np.zeros(len(radius), np.complex128),
        "in a line": np.arange(len(radius)).astype(np.complex128),
        "anywhere": np.random.default_rng(1).normal(size=2 * len(radius)).view(np.complex128),
    }[drawn]
    centre = separate(start, radius)
    apart = np.abs(centre[:, None] - centre[None, :])
    np.fill_diagonal(apart, np.inf)
    assert (apart >= (radius[:, None] + radius[None, :]) * (1 - 1e-9)).all()
    _, reach = enclosing_circle(centre, radius)
    assert (radius**2).sum() / reach**2 > 0.15


@given(RADII, st.floats(0, 50))
def test_ring_leaves_no_overlap(radii, inner):
    radius = np.array(radii)
    centre = ring(radius, inner)
    apart = np.abs(centre[:, None] - centre[None, :])
    np.fill_diagonal(apart, np.inf)
    assert (apart >= (radius[:, None] + radius[None, :]) * (1 - 1e-9)).all()
    assert (np.abs(centre) >= (inner + radius) * (1 - 1e-9)).all() or inner == 0.0


def test_enclosing_circle_encloses():
    rng = np.random.default_rng(2)
    centre, radius = rng.normal(size=50) + 1j * rng.normal(size=50), rng.random(50)
    middle, reach = enclosing_circle(centre, radius)
    assert (np.abs(centre - middle) + radius <= reach * (1 + 1e-12)).all()
    assert enclosing_circle(centre[:0], radius[:0]) == (0j, 0.0)


def test_annulus_gives_each_its_area():
    far = np.abs(annulus(np.full(1_000, 4.0), 10.0))
    assert far.min() > 10.0
    assert far.max() ** 2 == pytest.approx(10.0**2 + 4.0 * 1_000, rel=0.01)


def keys(n: int) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 2**32, n, dtype=np.uint32)


def test_users_are_between_their_subreddits():
    positions = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [50.0, 50.0]])
    users = np.array([0, 1, 1, 2, 2, 3, 4], np.int32)
    subreddits = np.array([0, 0, 1, 0, 2, 0, 3], np.int32)
    activity = np.array([7, 1, 1, 3, 1, 2, 9], np.int32)
    found = user_positions(users, subreddits, activity, positions, keys(6))
    expected = np.array([[0, 0], [5, 0], [0, 2.5], [0, 0], [50, 50]])
    assert np.abs(found[:5] - expected).max() < 0.3
    assert distances(found).min() > 0.0  # users 0 and 3 are in the same subreddit alone
    assert np.hypot(*found[5]) > np.hypot(50, 50)  # in none: around the map
    assert user_positions(users, subreddits, activity, positions, keys(6)).tobytes() == found.tobytes()


def test_a_user_stays_when_others_come():
    users, subreddits = np.array([0, 1, 2], np.int32), np.array([0, 0, 1], np.int32)
    positions = np.array([[0.0, 0.0], [10.0, 0.0]])
    of = keys(3)
    found = user_positions(users, subreddits, users + 1, positions, of)
    fewer = user_positions(users[:2], subreddits[1:], users[:2] + 1, positions, of[1:])
    assert (found[1:] == fewer).all()


def test_a_crowd_of_the_same_subreddit_does_not_coincide():
    users = np.arange(5_000, dtype=np.int32)
    same = np.zeros(5_000, np.int32)
    positions = np.array([[3.0, 4.0], [30.0, 4.0]])
    found = user_positions(users, same, same + 1, positions, keys(5_000))
    assert len(np.unique(found.astype(np.float32), axis=0)) == 5_000
    assert np.abs(found - positions[0]).max() < 0.3


def test_refuses_an_activity_of_none():
    one = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="activity"):
        user_positions(one, one, one, np.zeros((1, 2)), keys(1))


def test_the_planted_world_of_the_shared_data(shared_data: Path):
    spec = importlib.util.spec_from_file_location("planted_world", shared_data / "planted_world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    n = 2_600
    planted = module.gen(100_000, n, nmicro=100, nmacro=12, nhub=20, bots=5)
    users, subreddits = planted["u"], planted["s"]
    few = distinct_subreddits(users, planted["U"])[users] <= 100
    users, subreddits = users[few], subreddits[few]
    overlap = shared_users(users, subreddits, n, minimum=3)
    size = np.bincount(subreddits, minlength=n).astype(np.int32)
    bound = lift_bound(overlap.shared, size[overlap.source], size[overlap.target], len(np.unique(users)))
    kept = bound > 0
    links = overlap.source[kept], overlap.target[kept], bound[kept]
    found = detect(n, *links, seed=1)
    known = planted["micro"] >= 0
    assert adjusted_rand(planted["macro"][known], found.levels[0][known]) >= 0.98
    assert adjusted_rand(planted["micro"][known], found.levels[1][known]) >= 0.85
    positions = place(n, *links, found, seed=1)
    some = np.flatnonzero(known & (found.levels[0] >= 0))
    near = near_of(positions[some], np.arange(len(some)), 10)
    assert (planted["macro"][some][near] == planted["macro"][some][:, None]).mean() >= 0.99
    assert (planted["micro"][some][near] == planted["micro"][some][:, None]).mean() >= 0.85
