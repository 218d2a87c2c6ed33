"""An incremental run: what differs from the graph that is shown is found in arrays, and only that is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

import numpy as np
import numpy.typing as npt

from redclust.db import binary_copy
from redclust.db.connect import Connection
from redclust.graph.keys import halves, key
from redclust.graph.overlap import Enough, Minimum, Overlap
from redclust.graph.recount import Memberships, recount
from redclust.graph.weights import everybody
from redclust.ops.precalc import regions
from redclust.ops.precalc import shown as stored
from redclust.ops.precalc.activity import Counted, places
from redclust.ops.precalc.atlas import Int32Array, Pairs, Places, weighed
from redclust.ops.precalc.biggest import Nodes, stored_links
from redclust.ops.precalc.regions import UserPlaces
from redclust.ops.precalc.shown import Keyed, Shown
from redclust.ops.precalc.snapshot import People
from redclust.report import Task
from redclust.sql import query

Column = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows that differ: from the new ones or with new values (indices there), and the keys of those gone."""

    rows: npt.NDArray[np.intp]
    gone: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows) + len(self.gone)


@dataclass(frozen=True, slots=True)
class Basis:
    """The graph that is shown, and how the activity of a new snapshot differs from its own.

    ``changed_ratio`` is the share of the activity, old and new, that differs.
    """

    shown: Shown
    new_activity: Keyed
    activity: Changed

    @property
    def changed_ratio(self) -> float:
        return len(self.activity) / max(1, len(self.new_activity.keys), len(self.shown.activity.keys))

    @property
    def unchanged(self) -> bool:
        return not len(self.activity)

    @property
    def close_pairs(self) -> int:
        """Of those that are shown."""
        weight = self.shown.pairs.values[1].astype(np.float64, copy=False)
        return int((weight > 0).sum())

    def reweighs(self, n_users: int) -> bool:
        """Whether so many users instead of those shown change the weight of every pair."""
        return everybody(n_users) != everybody(len(self.shown.users.keys))

    def affected(self, people: People) -> Int32Array:
        """The ids of users whose activity changed, or who became people or ceased to be."""
        keys = np.concatenate((self.new_activity.keys[self.activity.rows], self.activity.gone))
        return np.union1d(
            halves(keys)[0], np.setxor1d(self.shown.user_ids, people.user_ids, assume_unique=True)
        )


def differences(old: Keyed, new: Keyed) -> Changed:
    """What must be written to make ``new`` of ``old``; a binary search a row. Values of NaN are the same."""
    if np.array_equal(old.keys, new.keys):
        same = np.ones(len(new.keys), np.bool_)
        for before, after in zip(old.values, new.values, strict=True):
            same &= _equal(before, after)
        return Changed(np.flatnonzero(~same), old.keys[:0])
    place = np.minimum(np.searchsorted(old.keys, new.keys), max(len(old.keys) - 1, 0))
    if not len(old.keys):
        return Changed(np.arange(len(new.keys)), old.keys)
    known = old.keys[place] == new.keys
    same = known.copy()
    for before, after in zip(old.values, new.values, strict=True):
        same &= _equal(before[place], after)
    still = np.zeros(len(old.keys), np.bool_)
    still[place[known]] = True
    return Changed(np.flatnonzero(~same), old.keys[~still])


def compare(shown: Shown, counted: Counted) -> Basis:
    """Find what differs in the activity."""
    new = Keyed(counted.keys, (counted.times,))
    return Basis(shown, new, differences(shown.activity, new))


def relate(
    basis: Basis, people: People, *, minimum: Minimum, memory_bytes: int, progress: Callable[[float], None]
) -> Pairs:
    """As :func:`redclust.ops.precalc.atlas.relate`, from the pairs that are shown on."""
    shown = basis.shown
    affected = basis.affected(people)
    # Numbers for the subreddits of today, and after them for those that are none any more.
    known = np.concatenate((people.subreddit_ids, np.setdiff1d(shown.subreddit_ids, people.subreddit_ids)))
    before = _memberships(shown, affected)
    one, other = (places(ids, known)[0] for ids in halves(shown.pairs.keys))
    of_affected = _among(people.user_ids, affected)[people.users]
    sizes = np.zeros(len(known), np.int64)
    sizes[places(shown.subreddit_ids, known)[0]] = shown.subreddits.values[0]
    found = recount(
        Memberships(before.users, places(before.subreddits, known)[0]),
        Memberships(people.users[of_affected], people.subreddits[of_affected]),
        Memberships(people.users, people.subreddits),
        _by_number(one, other, shown.pairs.values[0].astype(np.int32), len(known)),
        was=Enough.among(len(shown.users.keys), sizes, minimum),
        n=len(known),
        memory_bytes=memory_bytes,
        progress=progress,
    )
    return weighed(people, found)


def place_users(basis: Basis, people: People, at: Places) -> UserPlaces:
    """As :func:`redclust.ops.precalc.regions.place_users`, of those alone who changed or whose subreddits
    are elsewhere now, or in other communities.
    """
    shown = basis.shown
    _, position, levels, _ = shown.subreddits.values
    place, known = places(people.subreddit_ids, shown.subreddit_ids)
    elsewhere = ~known
    if len(position):
        elsewhere |= (position[place] != at.position).any(axis=1) | (levels[place] != at.levels.T).any(axis=1)
    chosen = _among(people.user_ids, basis.affected(people))
    chosen[people.users[elsewhere[people.subreddits]]] = True
    was, _ = places(people.user_ids, shown.user_ids)
    _, position, levels, spellings = shown.users.values
    if len(spellings):
        chosen |= spellings[was] != people.user_spellings
    found = regions.place_users(_only(people, chosen), at)
    all_levels = np.empty((len(at.levels), len(chosen)), np.int32)
    all_position = np.empty((len(chosen), 2))
    all_levels[:, ~chosen] = levels[was[~chosen]].T
    all_position[~chosen] = position[was[~chosen]]
    all_levels[:, chosen] = found.levels
    all_position[chosen] = found.position
    return UserPlaces(all_levels, all_position)


def stage(
    connection: Connection,
    basis: Basis,
    people: People,
    pairs: Pairs,
    at: Places,
    user_places: UserPlaces,
    *,
    block_rows: int,
    task: Task,
) -> None:
    """Send what differs in activity, links, pairs and nodes; linear, with a sort of each."""
    shown = basis.shown
    ids = people.subreddit_ids
    low, high = (
        np.minimum(ids[pairs.source], ids[pairs.target]),
        np.maximum(ids[pairs.source], ids[pairs.target]),
    )
    new_pairs = stored.keyed(key(low, high), pairs.shared, pairs.weight)
    old_members, memberships = _links_of_affected(basis, people)
    subreddits = stored.keyed(
        ids.astype(np.int64),
        people.people.astype(np.int64),
        at.position,
        at.levels.T,
        people.subreddit_spellings,
    )
    users = stored.keyed(
        people.user_ids.astype(np.int64),
        people.total,
        user_places.position,
        user_places.levels.T,
        people.user_spellings,
    )
    tables = (
        ("activity", basis.new_activity, basis.activity),
        ("memberships", memberships, differences(old_members, memberships)),
        ("pairs", new_pairs, differences(shown.pairs, new_pairs)),
        ("subreddits", subreddits, differences(shown.subreddits, subreddits)),
        ("users", users, differences(shown.users, users)),
    )
    task.total(sum(len(changed) for _, _, changed in tables))
    for name in ("activity", "memberships", "pairs", "nodes"):
        connection.execute(query("precalc", f"stage_changed_{name}"))
    for name, new, changed in tables:
        keys = np.concatenate((new.keys[changed.rows], changed.gone))
        columns = [*halves(keys), *_filled(new.values, changed)]
        if name in ("subreddits", "users"):
            columns[0] = np.full(len(keys), name == "users")
            columns.pop()  # the name is looked up by the id
        table = "nodes" if name in ("subreddits", "users") else name
        _send(connection, query("precalc", f"copy_changed_{table}"), columns, block_rows, task)
    connection.execute(query("precalc", "analyze_changed"))
    _stage_top(
        connection,
        stored_links(Nodes(shown.subreddits, shown.users, shown.pairs, shown.activity)),
        stored_links(Nodes(subreddits, users, new_pairs, basis.new_activity)),
        block_rows=block_rows,
        task=task,
    )


def _stage_top(connection: Connection, old: Keyed, new: Keyed, *, block_rows: int, task: Task) -> None:
    """Send what differs in the links that are stored for readers."""
    changed = differences(old, new)
    here = new.keys[changed.rows]
    for name in ("stage_gone", "stage_new"):
        connection.execute(query("top_links", name))
    gone = _ends(np.concatenate((here, changed.gone)))
    _send(connection, query("top_links", "copy_gone"), gone, block_rows, task)
    there = [*_ends(here), *(value[changed.rows] for value in new.values)]
    _send(connection, query("top_links", "copy_new"), there, block_rows, task)
    connection.execute(query("top_links", "analyze_both"))


def _ends(keys: npt.NDArray[np.int64]) -> list[Column]:
    """Of each of these links whether it is a user's, one subreddit, and the other or the user."""
    is_user = keys < 0
    high, low = halves(np.where(is_user, ~keys, keys))
    return [is_user, np.where(is_user, low, high), np.where(is_user, high, low)]


def _memberships(shown: Shown, affected: Int32Array) -> Memberships:
    """The links that these users had, in ids."""
    users, subreddits = halves(shown.activity.keys)
    chosen = np.flatnonzero(_among(users, affected))
    users, subreddits = users[chosen], subreddits[chosen]
    linked = places(users, shown.user_ids)[1] & places(subreddits, shown.subreddit_ids)[1]
    return Memberships(users[linked], subreddits[linked])


def _links_of_affected(basis: Basis, people: People) -> tuple[Keyed, Keyed]:
    """The links between people and subreddits, as shown and as of today, of those in whom they may differ."""
    shown, affected = basis.shown, basis.affected(people)
    before = _memberships(shown, affected)
    old = key(before.users, before.subreddits)
    of_affected = np.flatnonzero(_among(people.user_ids, affected)[people.users])
    users = people.user_ids[people.users[of_affected]]
    new = key(users, people.subreddit_ids[people.subreddits[of_affected]])
    times = shown.activity.values[0][np.searchsorted(shown.activity.keys, old)]
    return Keyed(old, (times,)), stored.keyed(new, people.activity[of_affected])


def _among(ids: Int32Array, chosen: Int32Array) -> npt.NDArray[np.bool_]:
    """Which of the ids are among the chosen ones."""
    return places(ids, chosen)[1]


def _only(people: People, chosen: npt.NDArray[np.bool_]) -> People:
    """Some users, numbered anew, with what they are active in; the subreddits are all there."""
    kept = chosen[people.users]
    number = np.cumsum(chosen, dtype=np.int32) - np.int32(1)
    return replace(
        people,
        user_ids=people.user_ids[chosen],
        user_keys=people.user_keys[chosen],
        user_spellings=people.user_spellings[chosen],
        total=people.total[chosen],
        users=number[people.users[kept]],
        subreddits=people.subreddits[kept],
        activity=people.activity[kept],
    )


def _equal(one: Column, other: Column) -> npt.NDArray[np.bool_]:
    """Row by row; NaN is equal to itself."""
    equal = (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 - NaN
    return equal if equal.ndim == 1 else equal.all(axis=1)


def _filled(values: Sequence[Column], changed: Changed) -> Iterator[Column]:
    """The values of changed rows, one column each, and zeros for those that are gone."""
    for value in values:
        filled = np.zeros((len(changed), *value.shape[1:]), value.dtype)
        filled[: len(changed.rows)] = value[changed.rows]
        yield from filled.T if filled.ndim == 2 else (filled,)


def _send(
    connection: Connection, statement: LiteralString, columns: Sequence[Column], block_rows: int, task: Task
) -> None:
    def blocks() -> Iterator[npt.NDArray[np.int64]]:
        n_rows = len(columns[0])
        for first in range(0, n_rows, block_rows):
            rows = np.arange(first, min(first + block_rows, n_rows))
            yield rows
            task.advance(len(rows))

    fixed = [
        binary_copy.Fixed(column, np.isnan(column) if column.dtype.kind == "f" else None)
        for column in columns
    ]
    binary_copy.send(connection, statement, fixed, None, blocks())


def _by_number(one: Int32Array, other: Int32Array, shared: Int32Array, n: int) -> Overlap:
    source, target = np.minimum(one, other), np.maximum(one, other)
    order = np.argsort(source.astype(np.int64) * n + target)
    return Overlap(source[order], target[order], shared[order])
