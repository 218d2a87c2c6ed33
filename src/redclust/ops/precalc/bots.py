"""Which accounts were left out of the map as bots, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from redclust.db.connect import Connection
from redclust.ops.precalc.figures import Bots, LeftOut
from redclust.ops.precalc.snapshot import BOT_REASONS, People, names_of
from redclust.sql import query

#: How many bots the report of a run names, and how many are kept for ``precalc status``.
_NAMED = 5
_KEPT = 50


@dataclass(frozen=True, slots=True)
class NamedBot:
    """As :class:`LeftOut`, with the account's name."""

    name: str
    why: str
    subreddits: int
    activity: int


def told(connection: Connection, people: People, cap: int) -> Bots:
    """What a run tells of the accounts that it left out."""
    counts = np.bincount(people.left_out_why, minlength=len(BOT_REASONS)).tolist()
    kept = slice(_KEPT)
    rows = zip(
        people.left_out_ids[kept].tolist(),
        people.left_out_why[kept].tolist(),
        people.left_out_subreddits[kept].tolist(),
        people.left_out_activity[kept].tolist(),
        strict=True,
    )
    return Bots(
        *counts,
        max_subreddits_per_user=cap,
        most_active=names_of(connection, people.left_out_ids[:_NAMED]),
        left_out=tuple(LeftOut(user, BOT_REASONS[int(why)], there, n) for user, why, there, n in rows),
    )


def named(connection: Connection, left_out: Sequence[LeftOut]) -> tuple[NamedBot, ...]:
    """Those that still have a name here."""
    ids = {"ids": [one.user_id for one in left_out]}
    names: dict[int, str] = dict(connection.execute(query("precalc", "names_of_bots"), ids).fetchall())
    return tuple(
        NamedBot(names[one.user_id], one.why, one.subreddits, one.activity)
        for one in left_out
        if one.user_id in names
    )
