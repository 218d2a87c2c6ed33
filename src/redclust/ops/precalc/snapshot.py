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
from redclust.report import Task
from redclust.sql import query

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Why an account was left out, the first that holds.
BOT_REASONS = ("marked", "subreddits", "regular")

_PACKED_USER = np.dtype([("id", ">i4"), ("key", ">u4")])
_PACKED = np.dtype([("user", ">i4"), ("subreddit", ">i4"), ("count", ">i8")])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who was active where, bots included. The whole of it also stands in temporary tables of the session.

    Users and subreddits are numbered from 0 in the order of ``lower(name)``, bytewise. Activity is sorted by
    user and subreddit, each pair once. ``dangling_rows`` named a user or a subreddit that is not there.

    Shapes:
        user_ids, trusted, marked_as_bot, regular: (u,), and user_keys, which follow from the names;
        subreddit_ids, subreddit_names: (s,); users, subreddits, activity: (m,).
    """

    at: datetime
    user_ids: Int32Array
    user_keys: npt.NDArray[np.uint32]
    trusted: BoolArray
    marked_as_bot: BoolArray
    regular: BoolArray
    subreddit_ids: Int32Array
    subreddit_names: tuple[str, ...]
    users: Int32Array
    subreddits: Int32Array
    activity: Int64Array
    dangling_rows: int


@dataclass(frozen=True, slots=True)
class People:
    """A snapshot without bots and without the subreddits that only they were in, numbered anew.

    Shapes:
        user_ids, user_keys, total: (u,), the latter a user's whole activity;
        subreddit_ids, subreddit_names, people: (s,), the latter the distinct users of a subreddit;
        users, subreddits, activity: (m,), as in :class:`Snapshot`;
        left_out_ids, left_out_subreddits, left_out_activity, left_out_why: (b,), the bots by descending
            activity, the latter an index into :data:`BOT_REASONS`.
    """

    user_ids: Int32Array
    user_keys: npt.NDArray[np.uint32]
    total: Int64Array
    subreddit_ids: Int32Array
    subreddit_names: tuple[str, ...]
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
    block_rows: int,
    beside: Callable[[Connection], None],
    task: Task,
) -> Snapshot:
    """Count the activity of one moment, and fetch it; ``beside`` sees the same moment.

    Linear but for sorting. The server packs about ``block_rows`` rows at a time; this process holds all
    of them, 16 bytes each, three times that while they are sorted.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        at = _row(connection, "transaction_began_at")[0]
        connection.execute(query("precalc", "group_by_sorting"))
        for name in ("stage_moment", "stage_activity"):
            connection.execute(query("precalc", name))
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
        beside(connection)
    connection.isolation_level = None
    user_rows = np.frombuffer(_packed(connection, "user_ids"), _PACKED_USER)
    user_ids = user_rows["id"].astype(np.int32)
    told = np.array(connection.execute(query("precalc", "named_bots")).fetchall(), np.int32).reshape(-1, 3)
    trusted, regular = told[told[:, 1] == 1, 0], told[told[:, 2] == 1, 0]
    marked = told[(told[:, 1] == 0) & (told[:, 2] == 0), 0]
    names = connection.execute(query("precalc", "subreddit_names")).fetchall()
    subreddit_ids = np.array([row[0] for row in names], np.int32)
    rows = _activity(connection, block_rows, task)
    users, known_user = _places(rows["user"], user_ids)
    subreddits, known_subreddit = _places(rows["subreddit"], subreddit_ids)
    known = np.flatnonzero(known_user & known_subreddit)
    order = known[np.argsort((users[known].astype(np.int64) << 32) | subreddits[known])]
    return Snapshot(
        at=at,
        user_ids=user_ids,
        user_keys=user_rows["key"].astype(np.uint32),
        trusted=np.isin(user_ids, trusted),
        marked_as_bot=np.isin(user_ids, marked),
        regular=np.isin(user_ids, regular),
        subreddit_ids=subreddit_ids,
        subreddit_names=tuple(row[1] for row in names),
        users=users[order],
        subreddits=subreddits[order],
        activity=rows["count"][order].astype(np.int64),
        dangling_rows=len(rows) - len(known),
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
    bots = bots[np.argsort(-total[bots], kind="stable")]
    return People(
        user_ids=snapshot.user_ids[person],
        user_keys=snapshot.user_keys[person],
        total=total[person],
        subreddit_ids=snapshot.subreddit_ids[alive],
        subreddit_names=tuple(snapshot.subreddit_names[i] for i in np.flatnonzero(alive)),
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
    place, known = _places(ids, people.subreddit_ids)
    return np.where(known, place, np.int32(-1)).astype(np.int32), [row[1] for row in rows]


def names_of(connection: Connection, user_ids: Int32Array) -> tuple[str, ...]:
    """The names of users of the snapshot, in the order given."""
    rows = connection.execute(query("precalc", "user_names"), {"ids": user_ids.tolist()})
    return tuple(row[0] for row in rows)


def _activity(connection: Connection, block_rows: int, task: Task) -> npt.NDArray[np.void]:
    # By ranges of pages: needs neither an index nor an order, and no server memory beyond the block.
    pages, n_rows = _row(connection, "activity_size")
    rows = np.empty(n_rows, _PACKED)
    task.total(n_rows)
    step = max(1, pages * block_rows // max(n_rows, 1))
    filled = 0
    for first in range(0, pages, step):
        values = {"first": f"({first},0)", "last": f"({first + step},0)"}
        block = np.frombuffer(_packed(connection, "activity_block", values), _PACKED)
        rows[filled : filled + len(block)] = block
        filled += len(block)
        task.advance(len(block))
    if filled != n_rows:
        raise RuntimeError(f"{filled} rows of activity came out of {n_rows}")
    return rows


def _places(ids: npt.NDArray[np.integer], known_ids: Int32Array) -> tuple[Int32Array, BoolArray]:
    """The index in ``known_ids`` of each id, and whether it is there at all."""
    if not len(known_ids):
        return np.zeros(len(ids), np.int32), np.zeros(len(ids), np.bool_)
    order = np.argsort(known_ids)
    ascending = known_ids[order]
    native = ids.astype(np.int32)
    where = np.minimum(np.searchsorted(ascending, native), len(ascending) - 1)
    return order[where].astype(np.int32), ascending[where] == native


def _renumbered(kept: BoolArray) -> Int32Array:
    return np.cumsum(kept, dtype=np.int32) - np.int32(1)


def _packed(connection: Connection, name: str, values: dict[str, str] | None = None) -> bytes:
    row = connection.execute(query("precalc", name), values, binary=True).fetchone()
    return row[0] if row and row[0] is not None else b""


def _row(connection: Connection, name: str) -> tuple[Any, ...]:
    row = connection.execute(query("precalc", name)).fetchone()
    if row is None:
        raise RuntimeError(f"{name} answers nothing")
    return row
