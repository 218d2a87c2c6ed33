"""Activity and overlap beside what they were computed from.

The sources go on changing after a precalc. What was there before its snapshot and is unchanged since must be
counted; what only somebody else than a precalc can have written must not be more than all that is there.
Between the two lies later change: stale, and no fault. Rows tell by xmin which transaction wrote them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph.keys import Int64Array, halves, key
from redclust.graph.overlap import Minimum, shared_users
from redclust.ops.integrity.finding import Found, Look, Skipped
from redclust.sql import query

_BLOCK_PAGES = 2000
_MIB = 1024 * 1024
_MEMBERSHIP = np.dtype([("user", ">i4"), ("subreddit", ">i4")])
_RELATION = np.dtype([("source", ">i4"), ("target", ">i4"), ("shared", ">i4"), ("later", ">i4")])


@dataclass(frozen=True, slots=True)
class _Marks:
    """The transactions of the last precalc, see ``precalc_marks``; ``shown`` where its graph is."""

    shown: bool
    seen_before: int
    written_from: int
    swap: int
    now: int
    minimum: Minimum

    @classmethod
    def read(cls, look: Look) -> _Marks:
        row = look.moment.connection.execute(query("integrity", "marks")).fetchone()
        if row is None:
            raise Skipped("no precalc has been made in this database: redclust precalc")
        *marks, usual, small = row[1:]
        return cls(*marks, minimum=Minimum(usual, small))

    def values(self) -> dict[str, int]:
        return {
            "seen_before": self.seen_before,
            "written_from": self.written_from,
            "swap": self.swap,
            "now": self.now,
            # A row has only the lower half of its transaction's number.
            "epoch": self.now - self.now % 2**32,
        }


def activity(look: Look) -> Found:
    """Users' activity beside posts, comments and imported interactions; one pass over all of them."""
    marks = _Marks.read(look)
    values = {**look.values(), **marks.values()}
    row = look.moment.connection.execute(query("integrity", "activity_differs"), values).fetchone()
    wrong, stale, sample = row or (0, 0, None)
    return Found(wrong, tuple(sample or ()), stale, _stale(stale, "pairs of user and subreddit"))


def overlap(look: Look) -> Found:
    """Relationships beside the activity of the users in the graph, counted anew as precalc does it."""
    marks = _Marks.read(look)
    if not marks.shown:
        raise Skipped("the graph that is shown is an older version: redclust precalc makes one of today")
    memberships = _packed(look, "memberships_block", "user_subreddit_activity", _MEMBERSHIP, {})
    row = look.moment.connection.execute(query("integrity", "people"), binary=True).fetchone()
    people = np.frombuffer(row[0] if row and row[0] is not None else b"", ">i4")
    memberships = np.unique(memberships[np.isin(memberships["user"], people)])
    subreddits, place = np.unique(memberships["subreddit"].astype(np.int32), return_inverse=True)
    counted = shared_users(
        memberships["user"].astype(np.int32),
        place.astype(np.int32),
        len(subreddits),
        minimum=marks.minimum,
        memory_bytes=look.settings.precalc.memory_mb * _MIB,
    )
    one, other = subreddits[counted.source], subreddits[counted.target]
    wanted = np.concatenate([key(one, other), key(other, one)])
    shared = np.concatenate([counted.shared, counted.shared]).astype(np.int64)
    stored = _packed(look, "relationships_block", "subreddit_relationships", _RELATION, marks.values())
    # Two may have become small by what was forgotten since: not kept then, they are not missing now.
    sure = (shared >= marks.minimum.usual) | np.isin(wanted, key(stored["source"], stored["target"]))
    return _compared(look, stored, wanted[sure], shared[sure])


def _compared(look: Look, stored: npt.NDArray[np.void], wanted: Int64Array, shared: Int64Array) -> Found:
    """Less than was counted is wrong; more is, where somebody else wrote it, and stale otherwise."""
    kept = key(stored["source"], stored["target"])
    every, place = np.unique(np.concatenate([kept, wanted]), return_inverse=True)
    is_stored, is_wanted, later = (np.zeros(len(every), np.int64) for _ in range(3))
    is_stored[place[: len(kept)]] = stored["shared"]
    later[place[: len(kept)]] = stored["later"]
    is_wanted[place[len(kept) :]] = shared
    wrong = (is_stored < is_wanted) | ((is_stored > is_wanted) & (later == 1))
    stale = int(np.count_nonzero((is_stored > is_wanted) & (later == 0)))
    one, other = halves(every)
    sample = tuple(
        f"subreddits {one[i]} and {other[i]} have {is_stored[i]} of {is_wanted[i]}"
        for i in np.flatnonzero(wrong)[: look.samples]
    )
    return Found(int(np.count_nonzero(wrong)), sample, stale, _stale(stale, "relationships"))


def _packed(
    look: Look, name: str, table: str, dtype: np.dtype[np.void], values: dict[str, int]
) -> npt.NDArray[np.void]:
    connection = look.moment.connection
    size = connection.execute(query("integrity", "pages_of"), {"table": table}).fetchone()
    parts = [b""]
    for start in range(0, int(size[0]) if size else 0, _BLOCK_PAGES):
        places = {"first": f"({start},0)", "last": f"({start + _BLOCK_PAGES},0)"}
        row = connection.execute(query("integrity", name), {**values, **places}, binary=True).fetchone()
        parts.append(row[0] if row and row[0] is not None else b"")
    return np.frombuffer(b"".join(parts), dtype)


def _stale(rows: int, what: str) -> str:
    return f"{rows:,} {what} are of another time: redclust precalc brings them up to date" if rows else ""
