"""How good a map is: neighbours of one's own topic, near what one is linked to, and not crowded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Nodes that are looked at, drawn at random where there are more.
_SAMPLE = 3_000
#: Distances that are looked at together: what bounds memory, at 40 bytes each.
_BLOCK = 4_000_000
#: Nearest nodes that are asked for their topic, and among which strongest neighbours are sought.
_NEAREST, _NEAR, _STRONGEST = 10, 50, 10
#: Nearer than this share of the mean spacing is crowded.
_CROWDED = 0.1


@dataclass(frozen=True, slots=True)
class LayoutScore:
    """``own_topic``: share of each node's ten nearest that are of its planted topic; ``recall``: share of its
    ten strongest neighbours among the fifty nearest; ``crowded``: share of nodes nearer to another than a
    tenth of the mean spacing.
    """

    own_topic: float
    recall: float
    crowded: float


def strongest(
    n: int, source: Int32Array, target: Int32Array, weight: FloatArray, k: int = _STRONGEST
) -> IntArray:
    """The ``k`` strongest neighbours of each node, the strongest first, -1 where there are fewer.

    One sort of the edges' ends.

    Shapes:
        source, target, weight: (p,), each pair once; returns: (n, k).
    """
    node, other = np.concatenate((source, target)), np.concatenate((target, source))
    order = np.lexsort((other, -np.concatenate((weight, weight)), node))
    node, other = node[order], other[order]
    first = np.searchsorted(node, np.arange(n))
    rank = np.arange(len(node)) - first[node]
    found = np.full((n, k), -1, np.int64)
    kept = rank < k
    found[node[kept], rank[kept]] = other[kept]
    return found


def own_group_share(neighbours: IntArray, group: Int32Array, *, of_all: bool = False) -> float:
    """Share of the neighbours of all nodes in a group (not -1) that are of the same one.

    With ``of_all``, a neighbour that is missing (-1) counts as one of another group.
    """
    asked = np.flatnonzero(group >= 0)
    near = neighbours[asked]
    same = (group[near] == group[asked, None]) & (near >= 0)
    return float(same.mean() if of_all else same[near >= 0].mean())


def score_layout(position: FloatArray, topic: Int32Array, neighbours: IntArray, *, seed: int) -> LayoutScore:
    """Score a map on 3,000 nodes; quadratic in neither: the sample times all nodes.

    Shapes:
        position: (n, 2); topic: (n,); neighbours: (n, k) as of :func:`strongest`.
    """
    n = len(position)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(n, min(_SAMPLE, n), replace=False))
    width, height = (float(np.ptp(position[:, axis])) for axis in (0, 1))
    spacing = math.sqrt(width * height / n)
    own, found, sought, crowded = 0, 0, 0, 0
    step = max(1, _BLOCK // n)
    for first in range(0, len(sample), step):
        nodes = sample[first : first + step]
        distance = ((position[nodes, None, :] - position[None, :, :]) ** 2).sum(axis=2)
        distance[np.arange(len(nodes)), nodes] = np.inf
        near = np.argpartition(distance, _NEAR, axis=1)[:, :_NEAR]
        by_distance = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1)
        near = np.take_along_axis(near, by_distance, axis=1)
        own += int((topic[near[:, :_NEAREST]] == topic[nodes, None]).sum())
        wanted = neighbours[nodes]
        there = (wanted[:, :, None] == near[:, None, :]).any(axis=2)
        found += int(there.sum())
        sought += int((wanted >= 0).sum())
        crowded += int((distance.min(axis=1) < (_CROWDED * spacing) ** 2).sum())
    return LayoutScore(own / (_NEAREST * len(sample)), found / max(sought, 1), crowded / len(sample))
