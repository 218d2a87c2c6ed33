"""What the communities of a map are: their members, names, terms, places and links. No database here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph.keys import halves, key
from redclust.graph.labels import community_labels
from redclust.graph.terms import distinctive_terms
from redclust.ops.precalc.atlas import FloatArray, Int32Array, Int64Array, Pairs, Places, edges, rounded
from redclust.ops.precalc.snapshot import People


@dataclass(frozen=True, slots=True)
class UserPlaces:
    """Where users are: at their subreddits, and in the communities they are most active in.

    Shapes:
        levels: (LEVELS, u), ids, each inside the one before, -1 for none; position: (u, 2).
    """

    levels: Int32Array
    position: FloatArray


@dataclass(frozen=True, slots=True)
class CommunityTable:
    """The communities of one level: their leading subreddits, what they speak of, sizes, and their middle.

    Shapes:
        all: (k,), but centre: (k, 2); parent -1 is none.
    """

    level: int
    ids: Int32Array
    parents: Int32Array
    labels: tuple[str, ...]
    terms: tuple[tuple[str, ...], ...]
    subreddits: Int64Array
    users: Int64Array
    centre: FloatArray


@dataclass(frozen=True, slots=True)
class CommunityLinks:
    """Close pairs between two communities of one level: how many, and their weight; source < target."""

    source: Int32Array
    target: Int32Array
    links: Int32Array
    weight: FloatArray


def place_users(people: People, places: Places) -> UserPlaces:
    """Users at the middle of their subreddits, by activity; linear but for one sort of the memberships."""
    from redclust.graph.layout import user_positions

    memberships = people.users, people.subreddits, people.activity
    position = user_positions(*memberships, places.position, people.user_keys)
    return UserPlaces(_most_active(people, places.levels), rounded(position))


def describe(
    people: People,
    pairs: Pairs,
    places: Places,
    users: UserPlaces,
    titles: tuple[Int32Array, Sequence[str]],
) -> tuple[CommunityTable, ...]:
    """A table a level, the largest communities first.

    Shapes:
        titles: the subreddit (t,) of each of the t titles, -1 for one that is not on the map.
    """
    of_title, texts = titles
    tables: list[CommunityTable] = []
    close = edges(pairs)
    for level, community in enumerate(places.levels):
        ids, first, number, size = _numbered(community)
        n_communities = len(ids)
        member = number >= 0
        of = number[member]
        middle = [np.bincount(of, places.position[member, axis], n_communities) for axis in (0, 1)]
        labels = community_labels(
            len(community),
            *close,
            number,
            people.subreddit_names,
            size=people.people.astype(np.float64),
        )
        there = np.where(of_title >= 0, np.append(number, -1)[of_title], -1).astype(np.int32)
        of_user = users.levels[level][users.levels[level] >= 0]
        by_id = np.argsort(ids)
        user_number = by_id[np.searchsorted(ids[by_id], of_user)]
        tables.append(
            CommunityTable(
                level,
                ids,
                places.levels[level - 1][first] if level else np.full(n_communities, -1, np.int32),
                tuple(", ".join(names) for names in labels),
                tuple(distinctive_terms(texts, there, n_communities)),
                size,
                np.bincount(user_number, minlength=n_communities),
                rounded(np.stack(middle, axis=1) / np.maximum(size, 1)[:, None]),
            )
        )
    return tuple(tables)


def links_between(pairs: Pairs, places: Places) -> CommunityLinks:
    """The links between communities, level by level; one sort of the close pairs a level."""
    source, target, weight = edges(pairs)
    found: list[tuple[npt.NDArray[np.generic], ...]] = []
    for community in places.levels:
        one, other = community[source], community[target]
        between = np.flatnonzero((one != other) & (one >= 0) & (other >= 0))
        one, other = one[between], other[between]
        ends = key(np.minimum(one, other), np.maximum(one, other))
        pair, which, count = np.unique(ends, return_inverse=True, return_counts=True)
        summed = np.bincount(which, weight[between], len(pair))
        found.append((*halves(pair), count, np.round(summed, 6)))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    ends = [column.astype(np.int32) for column in columns[:3]]
    return CommunityLinks(ends[0], ends[1], ends[2], columns[3].astype(np.float64))


def islands(communities: CommunityTable, links: CommunityLinks) -> int:
    """How many communities of a level have no link to another one."""
    return int(np.count_nonzero(~np.isin(communities.ids, (links.source, links.target))))


def modularity(pairs: Pairs, places: Places) -> tuple[float, ...]:
    """Weighted modularity of each level over the close pairs; 0 without any."""
    from redclust.graph.communities import modularity as of

    close = edges(pairs)
    return tuple(round(of(_numbered(community)[2], *close), 6) for community in places.levels)


def _numbered(community: Int32Array) -> tuple[Int32Array, Int64Array, Int32Array, Int64Array]:
    """Ids by descending size, a member of each, the number (place in ids) of every node, and the sizes."""
    member = np.flatnonzero(community >= 0)
    ids, first, which, size = np.unique(
        community[member], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((ids, -size))
    place_of = np.empty(len(ids), np.int32)
    place_of[order] = np.arange(len(ids))
    number = np.full(len(community), -1, np.int32)
    number[member] = place_of[which]
    return ids[order], member[first[order]], number, size[order]


def _most_active(people: People, levels: Int32Array) -> Int32Array:
    """The continent each user is most active in, its country, the town of that; of equals the lower id."""
    found = np.full((len(levels), len(people.user_ids)), -1, np.int32)
    member = np.flatnonzero(levels[0][people.subreddits] >= 0)
    if not len(member):
        return found
    # Towns are numbered so that those of a country, and countries of a continent, stand together.
    leaves, leaf = np.unique(levels.T, axis=0, return_inverse=True)
    key = people.users[member].astype(np.int64) * len(leaves) + leaf.reshape(-1)[people.subreddits[member]]
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    activity = np.add.reduceat(people.activity[member[order]], first)
    user, town = np.divmod(key[first], len(leaves))
    for level in range(len(levels)):
        community = leaves[town, level]
        begins = (np.diff(user, prepend=-1) != 0) | (np.diff(community, prepend=-1) != 0)
        first = np.flatnonzero(begins)
        total = np.add.reduceat(activity, first)
        best = np.lexsort((community[first], -total, user[first]))
        best = best[np.flatnonzero(np.diff(user[first][best], prepend=-1))]
        found[level, user[first][best]] = community[first][best]
        inside = community == found[level, user]
        user, town, activity = user[inside], town[inside], activity[inside]
    return found
