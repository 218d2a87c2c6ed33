"""Who was active where, and how often: counted in arrays from what the server packs, page by page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.db.connect import Connection
from redclust.graph.keys import halves
from redclust.report import Task
from redclust.sql import query

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: What activity is counted from, by the table's name and what one row of it is packed as.
_PAIR = np.dtype([("user", ">i4"), ("subreddit", ">i4")])
_SOURCES = {
    "posts": _PAIR,
    "comments": _PAIR,
    "imported_interactions": np.dtype([*_PAIR.descr, ("times", ">i4")]),
}
#: Pages of a table that the server packs at a time: a few MB at most.
_BLOCK_PAGES = 800
#: Rows that are gathered at least before they are added up.
_GATHERED_ROWS = 4_000_000
#: A table of places is made where ids are not much farther apart than there are ids.
_SPREAD, _SPREAD_MORE = 4, 1_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """Pairs of a user's and a subreddit's id, the user in the upper half, ascending, and how often.

    Shapes:
        keys, times: (m,).
    """

    keys: Int64Array
    times: Int64Array

    @property
    def users(self) -> Int32Array:
        return halves(self.keys)[0]

    @property
    def subreddits(self) -> Int32Array:
        return halves(self.keys)[1]


def count(connection: Connection, task: Task) -> Counted:
    """Add up posts, comments and imported interactions, as the open transaction sees them.

    Reads each table once, by ranges of pages: that needs neither an index nor an order, and no memory of the
    server beyond a block. Grouping there was measured three times slower, most of it in a sort. Memory is
    that of the pairs, a few times over while they are added up, however many posts and comments there are.
    """
    sizes = {
        table: int(connection.execute(query("precalc", "pages_of"), {"table": table}).fetchall()[0][0])
        for table in _SOURCES
    }
    task.total(sum(sizes.values()))
    total = Counted(np.empty(0, np.int64), np.empty(0, np.int64))
    gathered: list[Counted] = [total]
    n_gathered = 0
    for table, pages in sizes.items():
        for first in range(0, pages, _BLOCK_PAGES):
            values = {"first": f"({first},0)", "last": f"({first + _BLOCK_PAGES},0)"}
            row = connection.execute(query("precalc", f"{table}_packed"), values, binary=True).fetchone()
            packed: bytes = row[0] if row and row[0] else b""
            rows = np.frombuffer(packed, _SOURCES[table])
            gathered.append(_pairs(rows))
            n_gathered += len(rows)
            if n_gathered > max(_GATHERED_ROWS, len(total.keys)):
                total = _added(gathered)
                gathered, n_gathered = [total], 0
            task.advance(min(_BLOCK_PAGES, pages - first))
    return _added(gathered)


def places(ids: npt.NDArray[np.integer], known_ids: Int32Array) -> tuple[Int32Array, BoolArray]:
    """The index in ``known_ids`` of each id, and whether it is there at all (else the index is any)."""
    if not len(known_ids):
        return np.zeros(len(ids), np.int32), np.zeros(len(ids), np.bool_)
    most = int(known_ids.max())
    if most < _SPREAD * len(known_ids) + _SPREAD_MORE and int(known_ids.min()) >= 0:
        place_of = np.full(most + 2, -1, np.int32)
        place_of[known_ids] = np.arange(len(known_ids), dtype=np.int32)
        # Whatever is outside of the table is looked up in its last entry.
        found = place_of[np.where((ids >= 0) & (ids <= most), ids, most + 1)]
        return np.maximum(found, 0), found >= 0
    order = np.argsort(known_ids)
    ascending = known_ids[order]
    where = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    return order[where].astype(np.int32), ascending[where] == ids


def _pairs(rows: npt.NDArray[np.void]) -> Counted:
    keys = rows["user"].astype(np.int64)
    keys <<= 32
    keys |= rows["subreddit"]
    if "times" in (rows.dtype.names or ()):
        return Counted(keys, rows["times"].astype(np.int64))
    return Counted(keys, np.ones(len(keys), np.int64))


def _added(parts: list[Counted]) -> Counted:
    keys = np.concatenate([part.keys for part in parts])
    times = np.concatenate([part.times for part in parts])
    if bool((keys[1:] <= keys[:-1]).any()):
        order = np.argsort(keys)
        keys, times = keys[order], times[order]
        begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        if len(begins) < len(keys):
            keys, times = keys[begins], np.add.reduceat(times, begins)
    return Counted(keys, times)
