"""Which accounts were left out of the map as bots, and why."""

from __future__ import annotations

import numpy as np

from redclust.db.connect import Connection
from redclust.ops.precalc.figures import Bots, LeftOut
from redclust.ops.precalc.snapshot import BOT_REASONS, People, names_of

#: How many bots the report of a run names, and how many are kept for ``precalc status``.
_NAMED = 5
_KEPT = 50


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
