"""What the titles of a community speak of more than those of the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_WORD = re.compile(r"[^\W\d_][^\W_'\u2019]{2,24}(?:['\u2019][^\W\d_]+)?")
#: Titles of a community that must hold a word before it can stand for it.
_LEAST_TITLES = 3
#: One-sided 99.9 % quantile of the normal distribution: among thousands of words some exceed less by chance.
_LEAST_Z = 3.09
#: Words that any title may hold, in the language that most are written in.
_ANY_TITLE = """
about after again all also and another any anyone are because been before being best but can cant come could
day did does doing dont down even ever every everyone find first for from get getting give going good got
had has have having help her here him his how into its ive just know last let like little look looking made
make making many may more most much need never new not now off old one only other our out over people please
post question really right said same say see she should since some someone something still such take than
that thats the their them then there these they thing things think this those through time today too two
under until use used using very want was way week well went were what when where which while who why will
with without work would year years yes you your
"""
_COMMON = frozenset(_ANY_TITLE.split())


def distinctive_terms(
    titles: Iterable[str], communities: Int32Array, n_communities: int, per_community: int = 5
) -> list[tuple[str, ...]]:
    """The words that tell a community's titles from all the others', the most telling first.

    By the log-odds of a word's share of the titles, against the titles of all communities as the prior,
    over its standard error; a word counts once a title. Words in fewer than 3 titles of the community, or
    that are not significantly more frequent in it, are left out. Linear in the words.

    Shapes:
        communities: (titles,), the community of each, numbered from 0; -1 is none.
        returns: at most ``per_community`` words for each community, by its number.

    Source:
        Monroe, Colaresi and Quinn, Fightin' Words, Political Analysis 16 (2008).
    """
    vocabulary: dict[str, int] = {}
    word: list[int] = []
    of: list[int] = []
    for title, community in zip(titles, communities.tolist(), strict=True):
        if community < 0:
            continue
        known = {vocabulary.setdefault(w, len(vocabulary)) for w in words(title)}
        word.extend(known)
        of.extend([community] * len(known))
    if not word:
        return [()] * n_communities
    width = len(vocabulary)
    pair, count = np.unique(np.array(of, np.int64) * width + np.array(word, np.int64), return_counts=True)
    community, term = pair // width, pair % width
    z = _log_odds(count, community, term, width)
    telling = np.flatnonzero((count >= _LEAST_TITLES) & (z >= _LEAST_Z))
    return _top(list(vocabulary), community[telling], term[telling], z[telling], n_communities, per_community)


def words(title: str) -> Iterable[str]:
    """The words of a title that may tell something, in lower case."""
    for found in _WORD.findall(title.lower()):
        word = found.removesuffix("'s").removesuffix("\u2019s")
        if word.replace("'", "").replace("\u2019", "") not in _COMMON and len(word) > 2:
            yield word


def _log_odds(count: Int64Array, community: Int64Array, term: Int64Array, width: int) -> FloatArray:
    in_all = np.bincount(term, count, width)[term]
    in_community = np.bincount(community, count)[community]
    total = float(count.sum())
    # The prior weighs as much as the community itself, but never more than all others together.
    weight = np.minimum(in_community, total - in_community) + 1.0
    prior = weight * in_all / total
    here, elsewhere = count + prior, in_all - count + prior
    log_odds = np.log(here / np.maximum(in_community + weight - here, 1e-9))
    log_odds -= np.log(elsewhere / np.maximum(total - in_community + weight - elsewhere, 1e-9))
    return log_odds / np.sqrt(1.0 / here + 1.0 / elsewhere)


def _top(
    vocabulary: Sequence[str],
    community: Int64Array,
    term: Int64Array,
    z: FloatArray,
    n_communities: int,
    per_community: int,
) -> list[tuple[str, ...]]:
    # By the word itself among equals, so that the order of titles does not matter.
    spelled = np.array([vocabulary[t] for t in term.tolist()], dtype=object)
    alphabetical = np.empty(len(term), np.int64)
    alphabetical[np.argsort(spelled, kind="stable")] = np.arange(len(term))
    order = np.lexsort((alphabetical, -z, community))
    found: list[tuple[str, ...]] = [()] * n_communities
    first = np.searchsorted(community[order], np.arange(n_communities + 1))
    for number in range(n_communities):
        best = order[first[number] : min(first[number] + per_community, first[number + 1])]
        found[number] = tuple(spelled[best].tolist())
    return found
