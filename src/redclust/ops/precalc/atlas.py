"""From the activity of people to the numbers of a map: relations, communities, places. No database here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from redclust import __version__
from redclust.graph.identity import Before, keep_ids
from redclust.graph.overlap import Minimum, Overlap, shared_users
from redclust.graph.weights import ONE_IN, steady_lift_bound
from redclust.graph.worker import Worker
from redclust.ops.precalc.snapshot import People

# igraph takes longer to import than the rest together: only what computes with it does.
if TYPE_CHECKING:
    from redclust.graph.communities import Communities

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Decimals of a position: finer than the distance of two users, coarser than the last bits of a sum.
_DECIMALS = 6
#: A subreddit that would move by less than this share of the map's width stays exactly where it was.
_HAIR_RATIO = 0.0005
#: Below so many memberships two shared users relate two subreddits, above it three, and a weight may be wrong
#: more often than :data:`ONE_IN` times: of a few hundred pairs, a stricter bound would leave none.
_FEW_MEMBERSHIPS = 10_000
_ONE_IN_FEW = 20


@dataclass(frozen=True, slots=True)
class Pairs:
    """Subreddits that share users: each pair once, source < target; ``weight`` is the lift's lower bound.

    ``close`` marks those that share more than chance would have it: the ones to cluster on.
    """

    source: Int32Array
    target: Int32Array
    shared: Int32Array
    weight: FloatArray
    close: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Places:
    """Where subreddits are.

    Shapes:
        levels: (LEVELS, s), the id of the community at each level, -1 for none; position: (s, 2).

    ``next_id`` is above every id that a community ever had.
    """

    levels: Int32Array
    position: FloatArray
    next_id: int

    def digest(self) -> str:
        """The same for the same places, to the bit."""
        digest = hashlib.sha256(str(self.next_id).encode())
        for array in (self.levels, self.position):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def minimum_shared_users(named: int | None, memberships: int) -> Minimum:
    """The fewest shared users that relate two subreddits: as set, else by how much data there is."""
    if named:
        return Minimum(named, named)
    return Minimum(2 if memberships < _FEW_MEMBERSHIPS else 3, 2)


def relate(
    people: People, *, minimum: Minimum, memory_bytes: int, progress: Callable[[float], None]
) -> Pairs:
    """Count who shares whom; costs as :func:`redclust.graph.overlap.shared_users`."""
    found = shared_users(
        people.users,
        people.subreddits,
        len(people.subreddit_ids),
        minimum=minimum,
        memory_bytes=memory_bytes,
        progress=progress,
    )
    return weighed(people, found)


def weighed(people: People, found: Overlap) -> Pairs:
    """Pairs that share users, with their weights; linear."""
    one_in = _ONE_IN_FEW if len(people.users) < _FEW_MEMBERSHIPS else ONE_IN
    weight = steady_lift_bound(found, people.people, len(people.user_ids), one_in=one_in)
    return Pairs(found.source, found.target, found.shared, weight, weight > 0)


def fingerprint(people: People, pairs: Pairs, seed: int) -> str:
    """What communities and places follow from: equal inputs, of this version, give an equal text."""
    counts = f"{__version__} {seed} {len(people.subreddit_ids)} {len(people.user_ids)}"
    digest = hashlib.sha256(counts.encode())
    for array in (people.people, pairs.source, pairs.target, pairs.shared):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def find_communities(
    worker: Worker,
    n: int,
    pairs: Pairs,
    *,
    seed: int,
    before: Before | None,
    progress: Callable[[float], None],
) -> Communities:
    """Communities of all close pairs, from those before on if there are any; in a worker process."""
    from redclust.graph.communities import detect

    previous = before.levels if before else None
    return worker.run(detect, n, *edges(pairs), seed=seed, previous=previous, progress=progress)


def place_subreddits(
    worker: Worker,
    n: int,
    pairs: Pairs,
    communities: Communities,
    *,
    seed: int,
    before: Before | None,
    next_id: int,
    progress: Callable[[float], None],
) -> Places:
    """The map of the subreddits, each community under the id it had before; in a worker process."""
    from redclust.graph.layout import place

    position = worker.run(place, n, *edges(pairs), communities, seed=seed, before=before, progress=progress)
    levels = communities.levels.copy()
    for level, found in enumerate(communities.levels):
        previous = before.levels[level] if before else np.full(n, -1, np.int32)
        ids = keep_ids(found, previous, next_id)
        next_id = max(next_id, int(ids.max(initial=-1)) + 1)
        levels[level] = np.where(found >= 0, np.append(ids, -1)[found], -1)
    return Places(levels, _kept_put(rounded(position), before), next_id)


def _kept_put(position: FloatArray, before: Before | None) -> FloatArray:
    """The same, but who would move by no more than a hair stays: and so do all who hang on it."""
    if before is None or not before.covers_half:
        return position
    width = float(np.ptp(position, axis=0).max(initial=0.0))
    way = np.hypot(*(position - before.position).T)
    return np.where((way <= _HAIR_RATIO * width)[:, None], before.position, position)


def edges(pairs: Pairs) -> tuple[Int32Array, Int32Array, FloatArray]:
    """The close pairs: what is clustered, drawn and named on."""
    return pairs.source[pairs.close], pairs.target[pairs.close], pairs.weight[pairs.close]


def rounded(position: FloatArray) -> FloatArray:
    """Positions as they are stored."""
    # Adding 0 makes a negative zero a plain one, which Postgres holds equal to it and numpy's bytes do not.
    return np.round(position, _DECIMALS) + 0.0
