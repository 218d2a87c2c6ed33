"""An incremental run: what differs from the graph that is shown is found in arrays, and only that is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.db import binary_copy
from redclust.db.connect import Connection
from redclust.graph.overlap import Minimum, Overlap
from redclust.graph.recount import Memberships, recount
from redclust.ops.precalc import shown as stored
from redclust.ops.precalc.atlas import Int32Array, Pairs, Places, weighed
from redclust.ops.precalc.regions import UserPlaces
from redclust.ops.precalc.shown import Keyed, Shown
from redclust.ops.precalc.snapshot import People, Snapshot
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


def differences(old: Keyed, new: Keyed) -> Changed:
    """What must be written to make ``new`` of ``old``; a binary search a row. Values of NaN are the same."""
    place = np.minimum(np.searchsorted(old.keys, new.keys), max(len(old.keys) - 1, 0))
    if not len(old.keys):
        return Changed(np.arange(len(new.keys)), old.keys)
    known = old.keys[place] == new.keys
    same = known.copy()
    for before, after in zip(old.values, new.values, strict=True):
        there = before[place]
        equal = (there == after) | ((there != there) & (after != after))  # noqa: PLR0124 - NaN
        same &= equal if equal.ndim == 1 else equal.all(axis=1)
    still = np.zeros(len(old.keys), np.bool_)
    still[place[known]] = True
    return Changed(np.flatnonzero(~same), old.keys[~still])


def compare(shown: Shown, taken: Snapshot) -> Basis:
    """Find what differs in the activity."""
    keys = stored.key(taken.user_ids[taken.users], taken.subreddit_ids[taken.subreddits])
    order = np.argsort(keys, kind="stable")
    new = Keyed(keys[order], (taken.activity[order],))
    return Basis(shown, new, differences(shown.activity, new))


def relate(
    basis: Basis, people: People, *, minimum: Minimum, memory_bytes: int, progress: Callable[[float], None]
) -> Pairs:
    """As :func:`redclust.ops.precalc.atlas.relate`, from the pairs that are shown on."""
    shown = basis.shown
    old_users, old_subreddits = stored.halves(shown.memberships.keys)
    subreddits, n = _numbers(people.subreddit_ids, shown.ids(users=False))
    users, n_users = _numbers(people.user_ids, shown.ids(users=True))
    one, other = (subreddits(ids) for ids in stored.halves(shown.pairs.keys))
    found = recount(
        _in_order(users(old_users), subreddits(old_subreddits)),
        Memberships(people.users, people.subreddits),
        _by_number(one, other, shown.pairs.values[0].astype(np.int32), n),
        n_users=n_users,
        n=n,
        minimum=minimum,
        memory_bytes=memory_bytes,
        progress=progress,
    )
    return weighed(people, found)


def stage(
    connection: Connection,
    basis: Basis,
    people: People,
    pairs: Pairs,
    places: Places,
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
    new_pairs = _keyed(stored.key(low, high), pairs.shared, pairs.weight)
    member_keys = stored.key(people.user_ids[people.users], ids[people.subreddits])
    memberships = _keyed(member_keys, people.activity)
    nodes = _nodes(connection, people, places, user_places)
    tables = (
        ("activity", basis.new_activity, basis.activity),
        ("memberships", memberships, differences(shown.memberships, memberships)),
        ("pairs", new_pairs, differences(shown.pairs, new_pairs)),
        ("nodes", nodes, differences(shown.nodes, nodes)),
    )
    task.total(sum(len(changed) for _, _, changed in tables))
    for name, new, changed in tables:
        connection.execute(query("precalc", f"stage_changed_{name}"))
        columns = [
            *stored.halves(np.concatenate((new.keys[changed.rows], changed.gone))),
            *_filled(new.values, changed),
        ]
        if name == "nodes":
            columns[0] = columns[0].astype(np.bool_)
            columns.pop()  # the name is looked up by the id
        _send(connection, f"copy_changed_{name}", columns, block_rows, task)
    connection.execute(query("precalc", "analyze_changed"))


def _filled(values: Sequence[Column], changed: Changed) -> Iterator[Column]:
    """The values of changed rows, one column each, and zeros for those that are gone."""
    for value in values:
        filled = np.zeros((len(changed), *value.shape[1:]), value.dtype)
        filled[: len(changed.rows)] = value[changed.rows]
        yield from filled.T if filled.ndim == 2 else (filled,)


def _send(
    connection: Connection, statement: str, columns: Sequence[Column], block_rows: int, task: Task
) -> None:
    def blocks() -> Iterator[npt.NDArray[np.int64]]:
        n_rows = len(columns[0])
        for first in range(0, n_rows, block_rows):
            rows = np.arange(first, min(first + block_rows, n_rows))
            yield rows
            task.advance(len(rows))

    fixed = [binary_copy.Fixed(column) for column in columns]
    binary_copy.send(connection, query("precalc", statement), fixed, None, blocks())


def _nodes(connection: Connection, people: People, places: Places, users: UserPlaces) -> Keyed:
    sides = (
        (0, people.subreddit_ids, people.people.astype(np.int64), places),
        (1, people.user_ids, people.total, users),
    )
    keys = np.concatenate([stored.key(np.full(len(ids), kind), ids) for kind, ids, _, _ in sides])
    named = [_named(connection, ids, users=bool(kind)) for kind, ids, _, _ in sides]
    return _keyed(
        keys,
        np.concatenate([val for _, _, val, _ in sides]),
        np.concatenate([at.position for *_, at in sides]),
        np.concatenate([at.levels.T for *_, at in sides]).astype(np.int32),
        np.concatenate(named),
    )


def _named(connection: Connection, ids: Int32Array, *, users: bool) -> Column:
    known = stored.names(connection, users=users)
    return known.values[0][np.searchsorted(known.keys, ids)]


def _keyed(keys: npt.NDArray[np.int64], *values: Column) -> Keyed:
    order = np.argsort(keys, kind="stable")
    return Keyed(keys[order], tuple(value[order] for value in values))


def _numbers(ids: Int32Array, others: Int32Array) -> tuple[Callable[[Int32Array], Int32Array], int]:
    """Numbers for ``ids``, their places, and for those of ``others`` that are not among them; how many."""
    more = np.setdiff1d(others, ids)
    known = np.concatenate((ids, more))
    order = np.argsort(known, kind="stable")
    ascending = known[order]

    def number(wanted: Int32Array) -> Int32Array:
        return order[np.searchsorted(ascending, wanted)].astype(np.int32)

    return number, len(known)


def _in_order(users: Int32Array, subreddits: Int32Array) -> Memberships:
    order = np.argsort(stored.key(users, subreddits), kind="stable")
    return Memberships(users[order], subreddits[order])


def _by_number(one: Int32Array, other: Int32Array, shared: Int32Array, n: int) -> Overlap:
    source, target = np.minimum(one, other), np.maximum(one, other)
    order = np.argsort(source.astype(np.int64) * n + target, kind="stable")
    return Overlap(source[order], target[order], shared[order])
