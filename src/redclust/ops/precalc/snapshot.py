"""The activity of one moment, out of the database: names decide the order, surrogate ids travel along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.graph.keys import key
from redclust.ops.precalc import activity
from redclust.ops.precalc.activity import Counted
from redclust.report import Task
from redclust.sql import query

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Why an account was left out, the first that holds.
BOT_REASONS = ("marked", "subreddits", "regular")

_PACKED_USER = np.dtype([("id", ">i4"), ("key", ">u4"), ("spelling", ">i4")])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who was active where, bots included. Names also stand in temporary tables of the session.

    Subreddits are numbered from 0 in the order of ``lower(name)``, bytewise; users by their ids, since
    nothing follows from their order. Activity is sorted by user and subreddit, each pair once.
    ``dangling_rows`` named a user or a subreddit that is not there; ``counted`` is all activity by ids.

    Shapes:
        user_ids, trusted, marked_as_bot, regular: (u,); user_keys, which follow from the names whatever
            their case is, and user_spellings, which follow from it too;
        subreddit_ids, subreddit_names, subreddit_spellings: (s,); users, subreddits, activity: (m,).
    """

    at: datetime
    user_ids: Int32Array
    user_keys: npt.NDArray[np.uint32]
    user_spellings: Int32Array
    trusted: BoolArray
    marked_as_bot: BoolArray
    regular: BoolArray
    subreddit_ids: Int32Array
    subreddit_names: tuple[str, ...]
    subreddit_spellings: Int32Array
    counted: Counted
    users: Int32Array
    subreddits: Int32Array
    activity: Int64Array
    dangling_rows: int


@dataclass(frozen=True, slots=True)
class People:
    """A snapshot without bots and without the subreddits that only they were in, numbered anew.

    Shapes:
        user_ids, user_keys, user_spellings, total: (u,), the latter a user's whole activity;
        subreddit_ids, subreddit_names, subreddit_spellings, people: (s,), the latter the distinct users of a
            subreddit;
        users, subreddits, activity: (m,), as in :class:`Snapshot`;
        left_out_ids, left_out_subreddits, left_out_activity, left_out_why: (b,), the bots by descending
            activity, the latter an index into :data:`BOT_REASONS`.
    """

    user_ids: Int32Array
    user_keys: npt.NDArray[np.uint32]
    user_spellings: Int32Array
    total: Int64Array
    subreddit_ids: Int32Array
    subreddit_names: tuple[str, ...]
    subreddit_spellings: Int32Array
    people: Int32Array
    users: Int32Array
    subreddits: Int32Array
    activity: Int64Array
    left_out_ids: Int32Array
    left_out_subreddits: Int64Array
    left_out_activity: Int64Array
    left_out_why: Int64Array


def read(
    connection: Connection,
    settings: PrecalcSettings,
    *,
    beside: Callable[[Connection, Int32Array], None],
    task: Task,
) -> Snapshot:
    """Count the activity of one moment; ``beside`` sees the same moment, and gets the ids of those who are
    in more subreddits than a person is.

    Linear but for sorting. The server packs some pages at a time; this process holds all of the activity, 16
    bytes a row, three times that while it is sorted.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        at = _row(connection, "transaction_began_at")[0]
        connection.execute(query("precalc", "stage_moment"))
        counted = activity.count(connection, task)
        rules = {
            "spread": settings.regular_bot_spread_ratio,
            "things": settings.regular_bot_things,
            "people": [name.lower() for name in settings.people],
            "bots": [name.lower() for name in settings.bots],
        }
        for name in ("stage_regular_users", "stage_users"):
            connection.execute(query("precalc", name), rules)
        for name in ("stage_subreddits", "stage_titles"):
            connection.execute(query("precalc", name))
        names = connection.execute(query("precalc", "subreddit_names")).fetchall()
        subreddit_ids = np.array([row[0] for row in names], np.int32)
        subreddits, known_subreddit = activity.places(counted.subreddits, subreddit_ids)
        beside(connection, _over(counted.users[known_subreddit], settings.max_subreddits_per_user))
    connection.isolation_level = None
    packed = _row(connection, "users_packed", binary=True)[0] or b""
    rows = np.sort(np.frombuffer(packed, _PACKED_USER), order="id")
    user_ids = rows["id"].astype(np.int32)
    told = np.array(connection.execute(query("precalc", "named_bots")).fetchall(), np.int32).reshape(-1, 3)
    trusted, regular = told[told[:, 1] == 1, 0], told[told[:, 2] == 1, 0]
    marked = told[(told[:, 1] == 0) & (told[:, 2] == 0), 0]
    users, known_user = activity.places(counted.users, user_ids)
    known = np.flatnonzero(known_user & known_subreddit)
    order = known[np.argsort(key(users[known], subreddits[known]))]
    return Snapshot(
        at=at,
        user_ids=user_ids,
        user_keys=rows["key"].astype(np.uint32),
        user_spellings=rows["spelling"].astype(np.int32),
        trusted=np.isin(user_ids, trusted),
        marked_as_bot=np.isin(user_ids, marked),
        regular=np.isin(user_ids, regular),
        subreddit_ids=subreddit_ids,
        subreddit_names=tuple(row[1] for row in names),
        subreddit_spellings=np.array([row[2] for row in names], np.int32),
        counted=counted,
        users=users[order],
        subreddits=subreddits[order],
        activity=counted.times[order],
        dangling_rows=len(counted.keys) - len(known),
    )


def leave_out_bots(snapshot: Snapshot, max_subreddits: int) -> People:
    """Keep people: accounts that are no bots by name or by regularity, and are in at most ``max_subreddits``.

    Those that are to be trusted are people whatever they do. Linear.
    """
    n_users = len(snapshot.user_ids)
    degree = np.bincount(snapshot.users, minlength=n_users)
    active = degree > 0
    over = (degree > max_subreddits) & ~snapshot.trusted
    bot = active & (over | snapshot.marked_as_bot | snapshot.regular)
    person = active & ~bot
    kept = person[snapshot.users]
    people = np.bincount(snapshot.subreddits[kept], minlength=len(snapshot.subreddit_ids))
    alive = people > 0
    total = np.bincount(snapshot.users, snapshot.activity, n_users).astype(np.int64)
    bots = np.flatnonzero(bot)
    bots = bots[np.lexsort((snapshot.user_keys[bots], -total[bots]))]
    return People(
        user_ids=snapshot.user_ids[person],
        user_keys=snapshot.user_keys[person],
        user_spellings=snapshot.user_spellings[person],
        total=total[person],
        subreddit_ids=snapshot.subreddit_ids[alive],
        subreddit_names=tuple(snapshot.subreddit_names[i] for i in np.flatnonzero(alive)),
        subreddit_spellings=snapshot.subreddit_spellings[alive],
        people=people[alive].astype(np.int32),
        users=_renumbered(person)[snapshot.users[kept]],
        subreddits=_renumbered(alive)[snapshot.subreddits[kept]],
        activity=snapshot.activity[kept],
        left_out_ids=snapshot.user_ids[bots],
        left_out_subreddits=degree[bots],
        left_out_activity=total[bots],
        left_out_why=np.select([snapshot.marked_as_bot[bots], over[bots]], [0, 1], 2),
    )


def titles(connection: Connection, people: People) -> tuple[Int32Array, list[str]]:
    """Titles of posts of the snapshot, of 200,000 at most, and the subreddit of each; -1 for one left out."""
    rows = connection.execute(query("precalc", "titles")).fetchall()
    ids = np.array([row[0] for row in rows], np.int32)
    place, known = activity.places(ids, people.subreddit_ids)
    return np.where(known, place, np.int32(-1)).astype(np.int32), [row[1] for row in rows]


def names_of(connection: Connection, user_ids: Int32Array) -> tuple[str, ...]:
    """The names of users of the snapshot, in the order given."""
    rows = connection.execute(query("precalc", "user_names"), {"ids": user_ids.tolist()})
    return tuple(row[0] for row in rows)


def _over(users: Int32Array, cap: int) -> Int32Array:
    """Of ascending ids, those that stand there more often than ``cap`` times."""
    begins = np.flatnonzero(np.diff(users, prepend=np.int32(-1)))
    return users[begins[np.diff(begins, append=len(users)) > cap]]


def _renumbered(kept: BoolArray) -> Int32Array:
    return np.cumsum(kept, dtype=np.int32) - np.int32(1)


def _row(connection: Connection, name: str, *, binary: bool = False) -> tuple[Any, ...]:
    row = connection.execute(query("precalc", name), binary=binary).fetchone()
    if row is None:
        raise RuntimeError(f"{name} answers nothing")
    return row
