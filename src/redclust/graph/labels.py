"""Names for communities: the members that say what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from redclust.graph.ordering import stable_order

FloatArray = npt.NDArray[np.float64]


def community_labels(
    n: int,
    source: npt.NDArray[np.int32],
    target: npt.NDArray[np.int32],
    weight: FloatArray,
    community: npt.NDArray[np.int32],
    names: Sequence[str],
    per_community: int = 3,
    *,
    size: FloatArray | None = None,
) -> list[tuple[str, ...]]:
    """The leading members of each community, the first one first; linear, plus a sort of the nodes.

    A member leads by the weight of its links inside, times the share of all its links that this is, times
    its size: a member that is at home everywhere leads nowhere, however large it is. Of equals the lower
    numbered comes first.

    Shapes:
        source, target, weight: (p,), each unordered pair once.
        community: (n,), numbered from 0; -1 is none.
        size: (n,), users of each for instance; by default the weight of its links inside stands for it.
        returns: a tuple of at most ``per_community`` names for each community, by its number.
    """
    inside = np.where(community[source] == community[target], weight, 0.0)
    within = _at_nodes(n, source, target, inside)
    strength = _at_nodes(n, source, target, weight)
    lead = within * within / np.where(strength > 0.0, strength, 1.0)
    if size is not None:
        lead = lead / np.where(within > 0.0, within, 1.0) * size
    n_communities = int(community.max(initial=-1)) + 1
    best_first = np.argsort(-lead, kind="stable")
    best_first = best_first[community[best_first] >= 0]
    of = community[best_first]
    members = best_first[stable_order(of, max(n_communities, 1))]
    first = np.searchsorted(community[members], np.arange(n_communities + 1)).tolist()
    leaders: list[list[int]] = [
        members[start : min(start + per_community, end)].tolist() for start, end in pairwise(first)
    ]
    return [tuple(names[i] for i in leading) for leading in leaders]


def _at_nodes(
    n: int, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32], weight: FloatArray
) -> FloatArray:
    return (np.bincount(source, weight, n) + np.bincount(target, weight, n)).astype(np.float64, copy=False)
