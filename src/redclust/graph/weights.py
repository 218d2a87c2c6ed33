"""How much more two subreddits share than chance would have them share, and which links are worth drawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from redclust.graph.ordering import stable_order

#: One-sided 95 % quantile of the normal distribution.
_Z = 1.645
#: Least number of shared users the bound reckons with: keeps the logarithm finite.
_FLOOR = 0.05


def lift_bound(
    shared: npt.NDArray[np.int32],
    size_source: npt.NDArray[np.int32],
    size_target: npt.NDArray[np.int32],
    n_users: int,
) -> npt.NDArray[np.float64]:
    """Natural logarithm of the lift of each pair, at its lower 95 % confidence bound.

    ``ln(max(c - 1.645 sqrt(c), 0.05) * N / (a * b))`` for ``c`` shared users of subreddits with ``a`` and
    ``b`` users among ``N``: the count is Poisson, so its standard error is ``sqrt(c)``. 0 is what
    chance gives, ln 7 says "at least 7 times as many as by chance". Links with a bound above 0 are
    the ones to cluster on. Unlike Jaccard's or the overlap coefficient it is fair to a pair of very
    different sizes, and unlike the plain lift it does not believe three shared users.

    Shapes:
        shared, size_source, size_target: (p,), all positive; returns: (p,).

    Raises:
        ValueError: a count is not positive, or more users are shared than one of the two has.

    Source:
        Lift, observed over expected: Brin, Motwani, Ullman and Tsur, SIGMOD 1997 (there "interest").
        The bound is the normal approximation to a Poisson count (Wald).
    """
    if len(shared) and (int(shared.min()) < 1 or bool((shared > np.minimum(size_source, size_target)).any())):
        raise ValueError("a pair shares no user, or more users than one of its subreddits has")
    count = shared.astype(np.float64)
    bound = np.maximum(count - _Z * np.sqrt(count), _FLOOR)
    bound *= n_users
    bound /= size_source
    bound /= size_target
    return np.log(bound, out=bound)


def backbone(
    source: npt.NDArray[np.int32],
    target: npt.NDArray[np.int32],
    weight: npt.NDArray[np.float64],
    n: int,
    k: int = 10,
) -> npt.NDArray[np.bool_]:
    """Which edges are among the ``k`` strongest of either end: the links to draw.

    Not for clustering: what is left holds too little between topics to find the fields above them.
    Of equally strong edges of a node the first ones stay. Sorts the edges once.

    Shapes:
        source, target, weight: (p,), each unordered pair once; returns: (p,).
    """
    strongest = np.argsort(-weight, kind="stable")
    node = np.empty(2 * len(source), np.int32)
    node[0::2] = source[strongest]
    node[1::2] = target[strongest]
    order = stable_order(node, n)
    degree = np.bincount(node, minlength=n)
    rank = np.arange(len(node)) - np.repeat(np.cumsum(degree) - degree, degree)
    kept = np.zeros(len(source), np.bool_)
    kept[strongest[order[rank < k] // 2]] = True
    return kept
