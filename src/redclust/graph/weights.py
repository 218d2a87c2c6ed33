"""How much more two subreddits share than chance would have them share, and which links are worth drawing."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from redclust.graph.ordering import stable_order
from redclust.graph.overlap import Overlap

#: How seldom the bound on a lift is wrong: once in so many times.
ONE_IN = 1_000
#: Counts up to this have the exact bound; above, the approximation is within 0.02 %.
_EXACT_COUNTS = 100
#: Below so many users their number counts exactly.
_FEW_USERS = 1000
#: What sizes count as: exactly up to 100, and above in 24 steps a decade, 10 % apart.
_STEPS = np.unique(
    np.append(np.arange(1, 100), np.ceil(np.round(10.0 ** (np.arange(2 * 24, 9 * 24 + 1) / 24.0), 3))).astype(
        np.int64
    )
)


def lift_bound(
    shared: npt.NDArray[np.int32],
    size_source: npt.NDArray[np.int32],
    size_target: npt.NDArray[np.int32],
    n_users: int,
    *,
    one_in: int = ONE_IN,
) -> npt.NDArray[np.float64]:
    """Natural logarithm of the lift of each pair, at a bound that it is below once in ``one_in`` times.

    ``ln(L(c) * N / (a * b))`` for ``c`` shared users of subreddits with ``a`` and ``b`` users among ``N``,
    with ``L(c)`` the least mean at which a Poisson count reaches ``c`` once in a thousand times: 0.05 for 2,
    0.2 for 3, 3 for 10, 72 for 100. 0 is what chance gives, ln 7 says "at least 7 times as many as by
    chance". Links with a bound above 0 are the ones to cluster on. Unlike Jaccard's or the overlap
    coefficient it is fair to a pair of very different sizes, and unlike the plain lift it does not believe
    three shared users. Of millions of pairs one in a thousand is wrong; one in twenty keeps 1.4 times as
    many links, and worse neighbours.

    Shapes:
        shared, size_source, size_target: (p,), all positive; returns: (p,).

    Raises:
        ValueError: a count is not positive, or more users are shared than one of the two has.

    Source:
        Lift, observed over expected: Brin, Motwani, Ullman and Tsur, SIGMOD 1997 (there "interest").
        Bound: Garwood, Biometrika 28 (1936); above 100, Wilson and Hilferty, PNAS 17 (1931).
    """
    if len(shared) and (int(shared.min()) < 1 or bool((shared > np.minimum(size_source, size_target)).any())):
        raise ValueError("a pair shares no user, or more users than one of its subreddits has")
    bound = _least_mean(int(shared.max(initial=1)), one_in)[shared]
    bound *= n_users
    bound /= size_source
    bound /= size_target
    return np.log(bound, out=bound)


def coarse(numbers: npt.ArrayLike, *, up: bool) -> npt.NDArray[np.int32]:
    """For positive numbers the next one ``up`` or down that stands for it: itself, or of steps of 10 %."""
    exact = np.asarray(numbers, np.int64)
    at = np.searchsorted(_STEPS, exact) if up else np.searchsorted(_STEPS, exact, side="right") - 1
    return _STEPS[np.maximum(at, 0)].astype(np.int32)


def steady_lift_bound(
    found: Overlap, size: npt.NDArray[np.int32], n_users: int, *, one_in: int = ONE_IN
) -> npt.NDArray[np.float64]:
    """:func:`lift_bound` of pairs of subreddits, such that a few users more change few weights.

    Sizes above 100 count in steps of 10 %, rounded up, and everybody rounded down: it stays a lower bound.
    On planted worlds that finds the same communities as exact sizes do.

    Shapes:
        size: (n,), the users of each subreddit; returns: (p,).
    """
    size = coarse(size, up=True)
    return lift_bound(found.shared, size[found.source], size[found.target], everybody(n_users), one_in=one_in)


def everybody(n_users: int) -> int:
    """What so many users count as in every weight: where it changes, all of them do."""
    return n_users if n_users < _FEW_USERS else int(coarse(n_users, up=False))


def _least_mean(most: int, one_in: int) -> npt.NDArray[np.float64]:
    """The least Poisson mean that reaches a count once in ``one_in`` times, for counts 0 to ``most``."""
    z = NormalDist().inv_cdf(1.0 - 1.0 / one_in)
    count = np.maximum(np.arange(most + 1, dtype=np.float64), 1.0)
    mean = count * (1.0 - 1.0 / (9.0 * count) - z / (3.0 * np.sqrt(count))) ** 3
    few = min(most, _EXACT_COUNTS)
    below = np.arange(few, dtype=np.float64)
    log_factorial = np.cumsum(np.log(np.maximum(below, 1.0)))
    fewer = below[None, :] < np.arange(1, few + 1)[:, None]
    low, high = np.zeros(few), np.arange(1, few + 1, dtype=np.float64)
    for _ in range(60):
        middle = (low + high) / 2.0
        share = np.exp(below[None, :] * np.log(middle)[:, None] - middle[:, None] - log_factorial)
        rare = (share * fewer).sum(axis=1) > 1.0 - 1.0 / one_in
        low, high = np.where(rare, middle, low), np.where(rare, high, middle)
    mean[1 : few + 1] = low
    return mean


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
