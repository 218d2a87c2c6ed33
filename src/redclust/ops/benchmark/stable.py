"""How far a map moves when a little of the data changes: from the one before on, and from nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph.communities import Communities, detect
from redclust.graph.identity import Before, match
from redclust.graph.layout import place
from redclust.graph.overlap import Minimum, shared_users
from redclust.graph.weights import steady_lift_bound

Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
Edges = tuple[Int32Array, Int32Array, FloatArray]

#: Share of the memberships that is changed: half of it goes, as much comes.
CHANGED_RATIO = 0.01
#: Decimals of a position, as it is stored.
_DECIMALS = 6
_LOWER = 1


@dataclass(frozen=True, slots=True)
class Stability:
    """One way to make the next map: how far nodes with links move, as shares of the map's diameter.

    ``unmoved`` is the share that stayed exactly where it was; ``regrouped`` the share that is in another
    community of the lower level than the one that goes on from its own.
    """

    way: str
    moved_median: float
    moved_p95: float
    unmoved: float
    regrouped: float
    cpu_s: float


def close_pairs(
    users: Int32Array, subreddits: Int32Array, n: int, *, minimum: Minimum, cap: int, memory_bytes: int
) -> Edges:
    """The links that precalc clusters on: of people in at most ``cap`` subreddits, above chance."""
    degree = np.bincount(users)
    kept = (degree <= cap)[users]
    users, subreddits = users[kept], subreddits[kept]
    found = shared_users(users, subreddits, n, minimum=minimum, memory_bytes=memory_bytes)
    size = np.bincount(subreddits, minlength=n).astype(np.int32)
    weight = steady_lift_bound(found, size, int(np.count_nonzero(np.bincount(users))))
    close = weight > 0
    return found.source[close], found.target[close], weight[close]


def changed(users: Int32Array, subreddits: Int32Array, n: int, *, seed: int) -> tuple[Int32Array, Int32Array]:
    """Memberships of which some have gone, and as many have come: of people and subreddits as they occur."""
    rng = np.random.default_rng(seed)
    some = int(len(users) * CHANGED_RATIO / 2)
    stays = np.ones(len(users), np.bool_)
    stays[rng.choice(len(users), some, replace=False)] = False
    come = users[rng.integers(0, len(users), some)].astype(np.int64) * n
    come += subreddits[rng.integers(0, len(users), some)]
    pair = np.union1d(users[stays].astype(np.int64) * n + subreddits[stays], come)
    return (pair // n).astype(np.int32), (pair % n).astype(np.int32)


def measure(n: int, before: Edges, after: Edges, *, seed: int) -> tuple[Stability, ...]:
    """Make the map of ``before``, then that of ``after`` in two ways."""
    old, at = _drawn(n, before, seed=seed)
    known = Before(at, old.levels)
    found: list[Stability] = []
    ways = (("redclust: communities and places from the map before on", known), ("from nothing", None))
    for nth, (way, start) in enumerate(ways):
        started_s = time.process_time()
        new, now = _drawn(n, after, seed=seed + nth, before=start)
        took_s = time.process_time() - started_s
        found.append(_compared(way, old, at, new, now, took_s))
    return tuple(found)


def _drawn(
    n: int, edges: Edges, *, seed: int, before: Before | None = None
) -> tuple[Communities, FloatArray]:
    previous = before.levels if before else None
    communities = detect(n, *edges, seed=seed, previous=previous)
    return communities, np.round(place(n, *edges, communities, seed=seed, before=before), _DECIMALS)


def _compared(
    way: str, old: Communities, at: FloatArray, new: Communities, now: FloatArray, cpu_s: float
) -> Stability:
    linked = (old.levels[0] >= 0) & (new.levels[0] >= 0)
    diameter = 2.0 * float(np.hypot(*at[linked].T).max())
    moved = np.hypot(*(now - at)[linked].T) / diameter
    goes_on = match(new.levels[_LOWER], old.levels[_LOWER])
    regrouped = goes_on[new.levels[_LOWER][linked]] != old.levels[_LOWER][linked]
    return Stability(
        way,
        float(np.median(moved)),
        float(np.percentile(moved, 95)),
        float((moved == 0).mean()),
        float(regrouped.mean()),
        cpu_s,
    )
