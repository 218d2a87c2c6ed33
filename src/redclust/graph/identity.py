"""The map before, and which community of today is which of its: what lets one keep its number and place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Before:
    """The map before, for the nodes of today.

    Shapes:
        position: (n, 2), NaN for a node that was not on it.
        levels: (levels, n), the communities then under any numbers, -1 for none.
    """

    position: FloatArray
    levels: Int32Array

    @property
    def covers_half(self) -> bool:
        """Whether at least half of the nodes were on it."""
        there = np.count_nonzero(np.isfinite(self.position).all(axis=1))
        return len(self.position) > 0 and bool(2 * there >= len(self.position))


def match(found: Int32Array, previous: Int32Array) -> Int32Array:
    """For each community found, the previous one that it goes on from; -1 for a new one.

    Those with the most members in common are matched first, each with one at most; of equals the pair with
    the lower numbers. Linear, plus a sort of the pairs that have members in common.

    Shapes:
        found, previous: (n,), numbers of any size, -1 for a node that is in none.
        returns: (found.max() + 1,).
    """
    n_found = int(found.max(initial=-1)) + 1
    matched = np.full(n_found, -1, np.int32)
    both = (found >= 0) & (previous >= 0)
    width = int(previous.max(initial=-1)) + 1
    pair, common = np.unique(found[both].astype(np.int64) * width + previous[both], return_counts=True)
    taken: set[int] = set()
    for at in np.lexsort((pair, -common)).tolist():
        new, old = divmod(int(pair[at]), width)
        if matched[new] < 0 and old not in taken:
            matched[new] = old
            taken.add(old)
    return matched


def keep_ids(found: Int32Array, previous: Int32Array, next_id: int) -> Int32Array:
    """An id for each community found: that of the previous one it goes on from, else a fresh one.

    Shapes:
        found: (n,), numbered from 0, -1 for none; previous: (n,), ids, -1 for none or a new node.
        returns: (found.max() + 1,), each id once.

    ``next_id`` is above every id that was ever given.
    """
    ids = match(found, previous)
    fresh = ids < 0
    ids[fresh] = next_id + np.arange(np.count_nonzero(fresh), dtype=np.int32)
    return ids
