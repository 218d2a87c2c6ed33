"""Whether every comment that a crawl has seen is there.

Sums over ids are compared: all comments are read once, and one that stands twice hides none that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import errors as pg

from redclust.ops.integrity import members
from redclust.ops.integrity.members import Members
from redclust.ops.integrity.moment import Moment
from redclust.report import Task
from redclust.sql import query

_BLOCK_PAGES = 2000
_ID = np.dtype([("bytes", ">i4"), ("id", ">i8")])
#: The first id that has no sum.
_TOO_LARGE = 2**43
#: The share of all comments from which on those seen are held against all.
_NEARLY_ALL = 0.95
#: What a moment has passed: all were found to be there; the sum over all comments did not tell it.
_THERE, _NOT_TOLD_BY_ALL = "all seen are there", "seen are not all"
#: What ends the looking by sums: a page that cannot be read, an id without a sum, a table without rights.
CANNOT = (pg.InternalError, pg.DataError, pg.InsufficientPrivilege)


@dataclass(frozen=True, slots=True)
class Sought:
    """How many ids were seen, and their sum; ``among`` are the ids, None where all comments are summed up.

    Where crawls have seen nearly all, the sum over all of them tells enough, and no id needs to be fetched.
    """

    rows: int
    total: object
    among: Members | None

    def parameters(self) -> dict[str, Any]:
        """With which comments are summed up."""
        return {"seen": self.among and self.among.bits, "seen_pages": self.among and self.among.places()}

    def compare(self, moment: Moment, rows: int, total: object) -> None:
        """Keep what is told by how many comments there are, and the sum over them."""
        if not self.rows or (total == self.total and (self.among is not None or rows == self.rows)):
            moment.passed.add(_THERE)
        elif self.among is None:
            moment.passed.add(_NOT_TOLD_BY_ALL)


def are_there(moment: Moment, task: Task) -> bool:
    """Whether all are there; False too where it is not told by sums."""
    while _THERE not in moment.passed:
        try:
            with moment.connection.transaction():
                sought = seek(moment, task)
                if sought is None:
                    return False
                found = moment.connection.execute(query("integrity", "sum_comments"), sought.parameters())
                for rows, total in found:
                    sought.compare(moment, rows, total)
        except CANNOT:
            return False
        if sought.among is not None:
            break
    return _THERE in moment.passed


def seek(moment: Moment, task: Task) -> Sought | None:
    """What must be there; None where ids are too far apart or too large.

    Raises:
        psycopg.Error: as in :data:`CANNOT`.
    """
    task.note("comments that crawls have seen")
    row = moment.connection.execute(query("integrity", "sum_seen")).fetchone()
    rows, total, about = row or (0, None, 0)
    if not rows or (rows >= _NEARLY_ALL * about and _NOT_TOLD_BY_ALL not in moment.passed):
        return Sought(rows, total, None)
    among = _read(moment)
    return among and Sought(among.rows, among.checksum(), among)


def _read(moment: Moment) -> Members | None:
    size = moment.connection.execute(query("integrity", "pages_of"), {"table": "post_looks"}).fetchone()
    found = members.Growing()
    for start in range(0, int(size[0]) if size else 0, _BLOCK_PAGES):
        values = {"first": f"({start},0)", "last": f"({start + _BLOCK_PAGES},0)"}
        row = moment.connection.execute(query("integrity", "looks_block"), values, binary=True).fetchone()
        rows = np.frombuffer(row[0] if row and row[0] is not None else b"", _ID)
        if len(rows) and (int(rows["id"].max()) >= _TOO_LARGE or not found.add(rows)):
            return None
    return found.members()
