from __future__ import annotations

import numpy as np
import pytest
from graph_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from redclust.graph.communities import Communities, detect
from redclust.graph.identity import Before
from redclust.graph.layout import place
from redclust.graph.packing import apart, free_places

EDGES = st.sets(
    st.tuples(st.integers(0, 24), st.integers(0, 24)).filter(lambda pair: pair[0] < pair[1]), max_size=60
)
FloatArray = np.ndarray


def distances(position: FloatArray) -> FloatArray:
    where = position[:, 0] + 1j * position[:, 1]
    between = np.abs(where[:, None] - where[None, :])
    np.fill_diagonal(between, np.inf)
    return between


def moved_ratio(before: FloatArray, after: FloatArray) -> FloatArray:
    """How far each node went, as a share of the map's diameter."""
    diameter = 2.0 * np.hypot(*before.T).max()
    return np.hypot(*(after - before).T) / diameter


@pytest.fixture(scope="module")
def drawn(world: World) -> tuple[Communities, FloatArray]:
    found = detect(world.n_subreddits, world.source, world.target, world.weight, seed=1)
    return found, place(world.n_subreddits, world.source, world.target, world.weight, found, seed=1)


def redrawn(world: World, kept: np.ndarray, before: Before | None) -> tuple[Communities, FloatArray]:
    """The map of some of the links, from the one before on."""
    edges = world.n_subreddits, world.source[kept], world.target[kept], world.weight[kept]
    found = detect(*edges, seed=2, previous=before.levels if before else None)
    return found, place(*edges, found, seed=2, before=before)


def test_the_same_graph_stays_where_it_is(world: World, drawn: tuple[Communities, FloatArray]):
    found, position = drawn
    everything = np.ones(len(world.weight), np.bool_)
    _, again = redrawn(world, everything, Before(position, found.levels))
    assert moved_ratio(position, again).max() < 1e-6


def test_almost_nothing_moves_when_little_has_changed(world: World, drawn: tuple[Communities, FloatArray]):
    found, position = drawn
    kept = np.random.default_rng(4).random(len(world.weight)) > 0.01
    now, after = redrawn(world, kept, Before(position, found.levels))
    moved = moved_ratio(position, after)
    assert np.median(moved) < 0.0005
    assert np.percentile(moved, 95) < 0.005
    # Most of them not at all: what does not move need not be written again.
    assert (moved < 1e-9).mean() > 0.8
    # From nothing the same change moves it all.
    _, anew = redrawn(world, kept, None)
    assert np.median(moved_ratio(position, anew)) > 0.05
    # Neighbours are still of one community.
    near = np.argpartition(distances(after), 10, axis=1)[:, :10]
    assert (now.levels[1][near] == now.levels[1][:, None]).mean() >= 0.85


def test_newcomers_find_a_place_among_their_own(world: World, drawn: tuple[Communities, FloatArray]):
    found, position = drawn
    new = np.arange(0, world.n_subreddits, 20)
    before = position.copy()
    before[new] = np.nan
    levels = found.levels.copy()
    levels[:, new] = -1
    everything = np.ones(len(world.weight), np.bool_)
    now, after = redrawn(world, everything, Before(before, levels))
    assert np.isfinite(after).all()
    assert distances(after).min() > 0.2
    old = np.setdiff1d(np.arange(world.n_subreddits), new)
    assert np.median(moved_ratio(position[old], after[old])) < 0.0005
    near = np.argpartition(distances(after), 10, axis=1)[new, :10]
    assert (now.levels[0][near] == now.levels[0][new][:, None]).mean() >= 0.95


def test_a_map_of_mostly_new_nodes_is_drawn_from_nothing(world: World, drawn: tuple[Communities, FloatArray]):
    found, position = drawn
    before = np.full_like(position, np.nan)
    before[::3] = position[::3]
    args = world.n_subreddits, world.source, world.target, world.weight, found
    assert not Before(before, found.levels).covers_half
    again = place(*args, seed=1, before=Before(before, found.levels))
    assert again.tobytes() == position.tobytes()


@settings(max_examples=60, deadline=None)
@given(EDGES, EDGES, st.sets(st.integers(0, 24), max_size=12))
def test_any_change_leaves_every_node_a_place_of_its_own(was, now, gone):
    """Whatever came, went or regrouped: finite places, no two alike, the same bytes twice."""

    def graph(edges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = np.array(sorted(edges), np.int32).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1], np.ones(len(pairs))

    first = detect(25, *graph(was), seed=1)
    position = place(25, *graph(was), first, seed=1)
    position[list(gone)] = np.nan
    levels = first.levels.copy()
    levels[:, list(gone)] = -1
    before = Before(position, levels)
    found = detect(25, *graph(now), seed=1, previous=levels)
    after = place(25, *graph(now), found, seed=1, before=before)
    assert after.tobytes() == place(25, *graph(now), found, seed=1, before=before).tobytes()
    assert np.isfinite(after).all()
    assert distances(after).min() > 1e-3


def test_apart_moves_only_what_overlaps():
    centre = np.array([0, 1.5, 10 + 10j], np.complex128)
    moved = apart(centre, np.ones(3))
    assert abs(moved[0] - moved[1]) >= 1.99
    assert moved[2] == pytest.approx(centre[2])
    free = np.array([0, 3, 10 + 10j], np.complex128)
    assert apart(free, np.ones(3)) == pytest.approx(free)


def test_free_places_keep_their_distance():
    taken = np.array([x + 1j * y for x in range(5) for y in range(5)], np.complex128)
    found = free_places(taken, np.full(8, 2 + 2j), 0.6)
    everything = np.concatenate((taken, found))
    between = np.abs(everything[:, None] - everything[None, :])
    np.fill_diagonal(between, np.inf)
    assert between.min() >= 0.6
    assert np.abs(found - (2 + 2j)).max() < 4
