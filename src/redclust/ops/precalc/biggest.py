"""The links that ``db/top_links.py`` stores, from a graph in arrays: to find what a change makes of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from redclust.db import top_links
from redclust.graph.keys import halves
from redclust.ops.precalc.activity import places
from redclust.ops.precalc.shown import Keyed, keyed

FloatArray = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]


class Nodes(NamedTuple):
    """Subreddits and users, each by ascending ids, the first of whose values is their size, and their links.

    ``pairs`` of subreddits have values shared and weight; ``activity`` may name users who are no nodes.
    """

    subreddits: Keyed
    users: Keyed
    pairs: Keyed
    activity: Keyed


def stored_links(graph: Nodes) -> Keyed:
    """The same links that :func:`redclust.db.top_links.refresh` stores of this graph.

    A link's key is that of its pair, or of its membership turned below zero. Its values: val, weight (NaN is
    none), and the smaller one of its ends: whether that is a user, its id, its size. Linear but for a sort of
    the biggest nodes and of their links.
    """
    n_subreddits = len(graph.subreddits.keys)
    size = np.concatenate((graph.subreddits.values[0], graph.users.values[0])).astype(np.int64)
    ids = np.concatenate((graph.subreddits.keys, graph.users.keys))
    place = _places(size, ids, n_subreddits)
    one, other = (_number(half, graph.subreddits, 0) for half in halves(graph.pairs.keys))
    user, subreddit = halves(graph.activity.keys)
    user, subreddit = _number(user, graph.users, n_subreddits), _number(subreddit, graph.subreddits, 0)
    a, b = np.concatenate((one, user)), np.concatenate((other, subreddit))
    # The last place is that of whoever is not there at all.
    found = np.flatnonzero((place[a] >= 0) & (place[b] >= 0))
    a, b = a[found], b[found]
    keys = np.concatenate((graph.pairs.keys, ~graph.activity.keys))[found]
    val = np.concatenate((graph.pairs.values[0], graph.activity.values[0]))[found].astype(np.float64)
    weight = np.concatenate((graph.pairs.values[1], np.full(len(user), np.nan)))[found]
    reach = np.maximum(place[a], place[b])
    kept = _needed(reach, weight, val)
    least = np.where(place[a] > place[b], a, b)[kept]
    return keyed(keys[kept], val[kept], weight[kept], least >= n_subreddits, ids[least], size[least])


def _number(ids: Int32Array, nodes: Keyed, first: int) -> Int64Array:
    """Where these nodes stand among all of them; -1 for one that is none."""
    place, known = places(ids, nodes.keys.astype(np.int32))
    return np.where(known, place.astype(np.int64) + first, -1)


def _places(size: Int64Array, ids: Int64Array, n_subreddits: int) -> Int32Array:
    """Each node's place by size from 1 on, of equals by its id as text, ``subreddit`` before ``user``; -1 for
    one that is too small, and for the one more at the end.
    """
    place = np.full(len(size) + 1, -1, np.int32)
    most = top_links.NODES
    least = int(np.partition(size, len(size) - most)[len(size) - most]) if len(size) > most else 0
    biggest = np.flatnonzero(size >= least)
    order = np.lexsort((ids[biggest].astype(np.str_), biggest >= n_subreddits, -size[biggest]))
    biggest = biggest[order[:most]]
    place[biggest] = np.arange(1, len(biggest) + 1)
    return place


def _needed(reach: Int32Array, weight: FloatArray, val: FloatArray) -> Int64Array:
    """The links that are stored: see the query ``prune``."""
    weight = np.where(np.isnan(weight), -np.inf, weight)
    kept = np.arange(len(reach))
    for bound in top_links.bounds():
        if len(kept) <= top_links.ALL_UP_TO:
            break
        inside = reach[kept] <= bound
        within = kept[inside]
        if len(within) < top_links.LINKS:
            continue
        # The one in this place by weight, of equals by val.
        least = np.partition(weight[within], -top_links.LINKS)[-top_links.LINKS]
        equal = np.sort(val[within[weight[within] == least]])
        least_val = equal[np.count_nonzero(weight[within] > least) - top_links.LINKS]
        lighter = (weight[kept] < least) | ((weight[kept] == least) & (val[kept] < least_val))
        kept = kept[inside | ~lighter]
    return kept
