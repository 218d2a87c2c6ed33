"""Shared users after a change, from those before it: only people whose subreddits changed are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph import keys
from redclust.graph.overlap import Enough, Overlap, shared_users

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

#: Memberships that are looked up at a time.
_BLOCK = 1_000_000
#: Looking one membership up costs as much as counting so many co-memberships (measured).
_LOOKUP_COST = 8


@dataclass(frozen=True, slots=True)
class Memberships:
    """Who is in which subreddit, each pair once.

    Shapes:
        users, subreddits: (m,).
    """

    users: Int32Array
    subreddits: Int32Array

    @property
    def co_memberships(self) -> int:
        """Pairs of subreddits of one user, over all users: what counting shared users costs."""
        degree = np.bincount(self.users).astype(np.int64)
        return int((degree * (degree - 1) // 2).sum())


def recount(
    before: Memberships,
    after: Memberships,
    everybody: Memberships,
    counted: Overlap,
    *,
    was: Enough,
    n: int,
    memory_bytes: int,
    progress: Callable[[float], None],
) -> Overlap:
    """The shared users of ``n`` subreddits after a change, exactly as :func:`shared_users` counts them.

    ``before`` and ``after`` are the memberships of those whose subreddits changed, and perhaps of more, but
    of the same users both; ``everybody`` are all memberships after the change, sorted by user. ``counted``
    are the shared users before, of pairs that shared as many as ``was`` says; it is what makes this cheap. A
    pair that had fewer, and gained, is counted by looking the users of the smaller subreddit up in the
    larger one; so is one that has become small. Costs the co-memberships of changed users, and of the users
    of subreddits that are half as large as they were, those look-ups, and a merge of the pairs; where
    counting everything is cheaper, that is done.
    """
    if not len(before.users) and not len(after.users):
        progress(1.0)
        return counted
    everything = everybody.co_memberships
    cost = before.co_memberships + after.co_memberships
    key = _keys(counted, n)
    now = Enough.of(everybody.users, np.bincount(everybody.subreddits, minlength=n), was.minimum)
    shrunk = _may_be_small(was, now)
    cost += _LOOKUP_COST * _co_memberships_of(everybody, shrunk)
    if cost < everything:
        lost, gained = (
            shared_users(side.users, side.subreddits, n, minimum=1, memory_bytes=memory_bytes)
            for side in (before, after)
        )
        touched, delta = _sum(_keys(lost, n), -lost.shared, _keys(gained, n), gained.shared)
        place, known = _found(touched, key)
        fresh = touched[~known & (delta > 0)]
        if shrunk.any():
            fresh = np.union1d(fresh, _become_small(everybody, was, now, shrunk, key, n))
        size = np.bincount(everybody.subreddits, minlength=n)
        cost += _LOOKUP_COST * int(np.minimum(size[fresh // n], size[fresh % n]).sum())
        if cost < everything:
            shared = counted.shared.copy()
            shared[place[known]] += delta[known].astype(np.int32)
            key = np.concatenate((key, fresh))
            shared = np.concatenate((shared, _common(everybody, fresh, n)))
            kept = np.flatnonzero(now.kept(shared, key // n, key % n))
            kept = kept[np.argsort(key[kept], kind="stable")]
            progress(1.0)
            return Overlap((key[kept] // n).astype(np.int32), (key[kept] % n).astype(np.int32), shared[kept])
    return shared_users(
        everybody.users,
        everybody.subreddits,
        n,
        minimum=was.minimum,
        memory_bytes=memory_bytes,
        progress=progress,
    )


def _may_be_small(was: Enough, now: Enough) -> npt.NDArray[np.bool_]:
    """Which subreddits may be one of a pair that is small now and was not before."""
    if now.minimum.usual == now.minimum.small:
        return np.zeros(len(now.bits), np.bool_)
    least = int(now.bits.min(initial=0))
    return ((now.bits < was.bits) | (now.room > was.room)) & (now.bits + least <= now.room)


def _co_memberships_of(members: Memberships, some: npt.NDArray[np.bool_]) -> int:
    """Co-memberships of the users of some subreddits, each with all of its user's."""
    degree = np.bincount(members.users)
    return int(degree[members.users[some[members.subreddits]]].sum())


def _become_small(
    members: Memberships, was: Enough, now: Enough, some: npt.NDArray[np.bool_], known: Int64Array, n: int
) -> Int64Array:
    """Pairs of ``some`` subreddits that are small now, were not before, share enough, and are not known."""
    roomy = now.bits <= now.room - int(now.bits[some].min())
    kept = roomy[members.subreddits]
    users, subreddits = members.users[kept], members.subreddits[kept].astype(np.int64)
    rows = np.flatnonzero(some[subreddits])
    first = np.searchsorted(users, users[rows], side="left")
    length = np.searchsorted(users, users[rows], side="right") - first
    one = np.repeat(subreddits[rows], length)
    inside = np.arange(len(one)) - np.repeat(np.cumsum(length) - length, length)
    other = subreddits[np.repeat(first, length) + inside]
    new = (one != other) & now.small(one, other) & ~was.small(one, other)
    pairs = np.minimum(one, other)[new] * n + np.maximum(one, other)[new]
    # A user that two of ``some`` share is there twice: that many are enough perhaps.
    found, count = np.unique(pairs, return_counts=True)
    found = found[count >= now.minimum.small]
    return found[~_found(found, known)[1]]


def _keys(pairs: Overlap, n: int) -> Int64Array:
    return pairs.source.astype(np.int64) * n + pairs.target


def _sum(
    key_a: Int64Array, value_a: Int32Array, key_b: Int64Array, value_b: Int32Array
) -> tuple[Int64Array, Int64Array]:
    """The keys of both, each ascending, and the sums of their values that are not 0."""
    key = np.concatenate((key_a, key_b))
    # A merge, as both are in order.
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else order
    total = np.add.reduceat(np.concatenate((value_a, value_b))[order].astype(np.int64), first)
    return key[first][total != 0], total[total != 0]


def _found(wanted: Int64Array, ascending: Int64Array) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Where each wanted key is among ascending ones, and whether it is there."""
    if not len(ascending):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return place, ascending[place] == wanted


def _common(members: Memberships, pairs: Int64Array, n: int) -> Int32Array:
    """How many users each pair of subreddits has in common."""
    found = np.zeros(len(pairs), np.int32)
    one, other = np.divmod(pairs, n)
    wanted = np.zeros(n, np.bool_)
    wanted[one] = wanted[other] = True
    there = wanted[members.subreddits]
    ascending = np.sort(keys.key(members.subreddits[there], members.users[there]))
    subreddits, users = keys.halves(ascending)
    size = np.bincount(subreddits, minlength=n)
    swapped = size[one] > size[other]
    small, large = np.where(swapped, other, one), np.where(swapped, one, other)
    start = np.cumsum(size) - size
    length = size[small]
    ends = np.cumsum(length)
    first = 0
    while first < len(pairs):
        reached = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, reached + _BLOCK, side="right")))
        some = slice(first, last)
        pair = np.repeat(np.arange(first, last), length[some])
        inside = np.arange(len(pair)) - np.repeat(ends[some] - length[some] - reached, length[some])
        user = users[start[small[pair]] + inside]
        _, there = _found(keys.key(large[pair], user), ascending)
        found[some] = np.bincount(pair[there] - first, minlength=last - first)
        first = last
    return found
