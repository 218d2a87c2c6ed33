"""From the activity of people to the numbers of a map: relations, communities, places. No database here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from redclust import __version__
from redclust.graph.labels import community_labels
from redclust.graph.overlap import shared_users
from redclust.graph.weights import lift_bound
from redclust.graph.worker import run_in_worker
from redclust.ops.precalc.snapshot import People

# igraph takes longer to import than the rest together: only what computes with it does.
if TYPE_CHECKING:
    from redclust.graph.communities import Communities

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Decimals of a position: finer than the distance of two users, coarser than the last bits of a sum.
_DECIMALS = 6
#: Below so many memberships two shared users relate two subreddits, above it three.
_FEW_MEMBERSHIPS = 10_000


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
    """Where subreddits are: ``community`` (s,), -1 for none, numbered from 0; ``position`` (s, 2)."""

    community: Int32Array
    position: FloatArray


@dataclass(frozen=True, slots=True)
class UserPlaces:
    """Where users are: at their subreddits, and in the community they are most active in (-1: in none)."""

    community: Int32Array
    position: FloatArray


@dataclass(frozen=True, slots=True)
class CommunityTable:
    """One entry a community: its leading subreddits, its sizes, and the middle of its subreddits."""

    labels: tuple[str, ...]
    subreddits: Int64Array
    users: Int64Array
    centre: FloatArray


def minimum_shared_users(named: int | None, memberships: int) -> int:
    """The fewest shared users that relate two subreddits: as set, else by how much data there is."""
    return named or (2 if memberships < _FEW_MEMBERSHIPS else 3)


def relate(people: People, *, minimum: int, memory_bytes: int, progress: Callable[[float], None]) -> Pairs:
    """Count who shares whom; costs as :func:`redclust.graph.overlap.shared_users`."""
    found = shared_users(
        people.users,
        people.subreddits,
        len(people.subreddit_ids),
        minimum=minimum,
        memory_bytes=memory_bytes,
        progress=progress,
    )
    size = people.people
    weight = lift_bound(found.shared, size[found.source], size[found.target], len(people.user_ids))
    return Pairs(found.source, found.target, found.shared, weight, weight > 0)


def fingerprint(people: People, pairs: Pairs, seed: int) -> str:
    """What communities and places follow from: equal inputs, of this version, give an equal text."""
    counts = f"{__version__} {seed} {len(people.subreddit_ids)} {len(people.user_ids)}"
    digest = hashlib.sha256(counts.encode())
    for array in (people.people, pairs.source, pairs.target, pairs.shared):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def find_communities(
    n: int, pairs: Pairs, *, seed: int, previous: Int32Array | None, progress: Callable[[float], None]
) -> Communities:
    """Communities of all close pairs, from the previous ones on if there are any; in a worker process."""
    from redclust.graph.communities import detect

    return run_in_worker(detect, n, *_edges(pairs), seed=seed, previous=previous, progress=progress)


def place_subreddits(
    n: int, pairs: Pairs, communities: Communities, *, seed: int, progress: Callable[[float], None]
) -> Places:
    """The map of the subreddits; in a worker process."""
    from redclust.graph.layout import place

    position = run_in_worker(place, n, *_edges(pairs), communities, seed=seed, progress=progress)
    return Places(communities.levels[0], _rounded(position))


def modularity_of(pairs: Pairs, community: Int32Array) -> float:
    """Weighted modularity over the close pairs; 0 without any."""
    from redclust.graph.communities import modularity

    source, target, weight = _edges(pairs)
    return modularity(community, source, target, weight)


def place_users(people: People, places: Places) -> UserPlaces:
    """Users at the middle of their subreddits, by activity; linear but for one sort of the memberships."""
    from redclust.graph.layout import user_positions

    n_users = len(people.user_ids)
    position = user_positions(people.users, people.subreddits, people.activity, places.position, n_users)
    n_communities = int(places.community.max(initial=-1)) + 1
    community = np.full(n_users, -1, np.int32)
    member = np.flatnonzero(places.community[people.subreddits] >= 0)
    if len(member):
        key = people.users[member].astype(np.int64) * n_communities
        key += places.community[people.subreddits[member]]
        order = np.argsort(key, kind="stable")
        key = key[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        activity = np.add.reduceat(people.activity[member[order]], first)
        user, of = np.divmod(key[first], n_communities)
        order = np.lexsort((of, -activity, user))
        order = order[np.flatnonzero(np.diff(user[order], prepend=-1))]
        community[user[order]] = of[order]
    return UserPlaces(community, _rounded(position))


def describe_communities(people: People, pairs: Pairs, places: Places, users: UserPlaces) -> CommunityTable:
    """Names and sizes of the communities, in their order."""
    n = len(people.subreddit_ids)
    member = places.community >= 0
    of = places.community[member]
    n_communities = int(places.community.max(initial=-1)) + 1
    subreddits = np.bincount(of, minlength=n_communities)
    summed = [np.bincount(of, places.position[member, axis], n_communities) for axis in (0, 1)]
    labels = community_labels(
        n, *_edges(pairs), places.community, people.subreddit_names, size=people.people.astype(np.float64)
    )
    return CommunityTable(
        tuple(", ".join(names) for names in labels),
        subreddits,
        np.bincount(users.community[users.community >= 0], minlength=n_communities),
        _rounded(np.stack(summed, axis=1) / np.maximum(subreddits, 1)[:, None]),
    )


def _edges(pairs: Pairs) -> tuple[Int32Array, Int32Array, FloatArray]:
    return pairs.source[pairs.close], pairs.target[pairs.close], pairs.weight[pairs.close]


def _rounded(position: FloatArray) -> FloatArray:
    # Adding 0 makes a negative zero a plain one, which Postgres holds equal to it and numpy's bytes do not.
    return np.round(position, _DECIMALS) + 0.0
