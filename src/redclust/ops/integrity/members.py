"""Which ids a table has, as bits that the server looks into.

A join asks a hash table in memory for each row, most of the time past every cache: ten million comments took
five times as long as counting them. Ids stand close together, so a bit each is a few megabytes, and the scan
of the rows is nearly all that is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql

from redclust.db.connect import Connection
from redclust.report import Task
from redclust.sql import query

Int64 = npt.NDArray[np.int64]

#: Ids are kept by pages of so many; a page without any id is not stored.
_PAGE_SHIFT = 12
_PAGE_IDS = 1 << _PAGE_SHIFT
#: The most that a set may take; of ids that are further apart a join is made.
_LIMIT_BYTES = 128 * 1024 * 1024
#: Pages of a table whose ids are fetched at a time.
_BLOCK_PAGES = 2000
#: Of so many pages the bits are numbers at a time, some dozen megabytes of them.
_PAGES_AT_ONCE = 256
_ID = np.dtype([("id", ">i8")])
_POST = np.dtype([("id", ">i8"), ("subreddit", ">i4")])
#: A subreddit is four bytes.
_VALUE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Members:
    """The ids of one table in one snapshot; ``rows`` is how many rows have them.

    ``pages``: (p,) int32, for each page from ``low`` on where its bits are, 0 for the empty page. ``values``
    are the subreddits of posts by the same places; None where there are too many.
    """

    low: int
    pages: npt.NDArray[np.int32]
    bits: bytes
    values: bytes | None
    rows: int
    distinct: int

    def parameters(self, *, of_values: bool = False) -> dict[str, Any]:
        """For the queries that look into the set, or into its values."""
        # One text is sent many times faster than an array of numbers.
        pages = "{" + ",".join(map(str, self.pages.tolist())) + "}"
        what = {"values": self.values} if of_values else {"bits": self.bits}
        return {**what, "pages": pages, "low": self.low, "high": self.low + len(self.pages) - 1}

    def places(self, *, of_values: bool = False) -> str:
        """For each page the bit that it begins at, or the byte of its values from 1 on; an array by page."""
        scale, first = (_PAGE_IDS * _VALUE_BYTES, 1) if of_values else (_PAGE_IDS, 0)
        places = self.pages.astype(np.int64) * scale + first
        # One text is sent many times faster than an array of numbers.
        return f"[{self.low}:{self.low + len(places) - 1}]={{{','.join(map(str, places.tolist()))}}}"

    def checksum(self) -> int:
        """Of all ids, as ``seen_sum`` makes it of rows; ids are less than 2**43."""
        low = high = 0
        bits = np.frombuffer(self.bits, np.uint8).reshape(-1, _PAGE_IDS // 8)
        for first in range(0, len(self.pages), _PAGES_AT_ONCE):
            pages = self.pages[first : first + _PAGES_AT_ONCE]
            used = np.flatnonzero(pages)
            of_page, place = np.nonzero(np.unpackbits(bits[pages[used]], axis=1, bitorder="little"))
            ids = (self.low + first + used[of_page]) * _PAGE_IDS + place
            scrambled = (ids & 1048575 | 1) * (ids + 1)
            low += int((scrambled & 0xFFFFFFFF).sum())
            high += int((scrambled >> 32).sum())
        return (high << 32) + low

    def from_zero(self) -> bytes | None:
        """A bit for each number from 0 to the highest id; None where that is too long, or one is negative."""
        if self.low < 0 or (self.low + len(self.pages)) * _PAGE_IDS // 8 > _LIMIT_BYTES:
            return None
        pages = np.concatenate([np.zeros(self.low, np.int32), self.pages])
        return np.frombuffer(self.bits, np.uint8).reshape(-1, _PAGE_IDS // 8)[pages].tobytes()


def read(connection: Connection, table: str, task: Task) -> Members | None:
    """The ids of a table in the snapshot of this transaction; None where they are too far apart.

    Linear in the table; memory as ``_LIMIT_BYTES``, and as much again for the subreddits of posts.
    """
    size = connection.execute(query("integrity", "pages_of"), {"table": table}).fetchone()
    pages = int(size[0]) if size else 0
    text = query("integrity", "posts_block" if table == "posts" else "ids_block")
    block = sql.SQL(text).format(table=sql.Identifier(table))
    found = Growing(np.zeros(_PAGE_IDS, np.int32) if table == "posts" else None)
    task.note(f"ids of {table}")
    for first in range(0, pages, _BLOCK_PAGES):
        values = {"first": f"({first},0)", "last": f"({first + _BLOCK_PAGES},0)"}
        row = connection.execute(block, values, binary=True).fetchone()
        packed: bytes = row[0] if row and row[0] is not None else b""
        rows = np.frombuffer(packed, _POST if table == "posts" else _ID)
        if len(rows) and not found.add(rows):
            return None
    return found.members()


@dataclass(slots=True)
class Growing:
    """A set that ids are added to, with the subreddits of posts where ``values`` is given."""

    values: npt.NDArray[np.int32] | None = None
    low: int = 0
    pages: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    bits: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(_PAGE_IDS // 8, np.uint8))
    stored_pages: int = 0
    rows: int = 0

    def add(self, rows: npt.NDArray[np.void]) -> bool:
        """Take rows in; False where the set would become too large."""
        self.rows += len(rows)
        ids, which = rows["id"].astype(np.int64), slice(None)
        if self.values is None:
            ids.sort()
            ids = ids[np.diff(ids, prepend=ids[0] - 1) != 0]
        elif not np.all(ids[1:] > ids[:-1]):
            ids, which = np.unique(ids, return_index=True)
        page = ids >> _PAGE_SHIFT
        new_page = page[np.diff(page, prepend=page[0] - 1) != 0]
        if not self._reach(int(page[0]), int(page[-1])) or not self._store(new_page):
            return False
        place = (self.pages[page - self.low].astype(np.int64) << _PAGE_SHIFT) | (ids & _PAGE_IDS - 1)
        byte = place >> 3
        first = np.flatnonzero(np.diff(byte, prepend=-1))
        bit = np.left_shift(np.uint8(1), (place & 7).astype(np.uint8))
        self.bits[byte[first]] |= np.bitwise_or.reduceat(bit, first)
        if self.values is not None:
            subreddits = rows["subreddit"][which].astype(np.int32)
            if subreddits.min() <= 0:
                self.values = None
            else:
                self.values[place] = subreddits
        return True

    def _reach(self, lowest: int, highest: int) -> bool:
        """Make room for pages between the two."""
        if not len(self.pages):
            self.low = lowest
        before = max(0, self.low - lowest)
        after = max(0, highest - (self.low + len(self.pages) - 1))
        if (before + len(self.pages) + after) * 4 > _LIMIT_BYTES:
            return False
        if before or after:
            parts = (np.zeros(before, np.int32), self.pages, np.zeros(after, np.int32))
            self.pages, self.low = np.concatenate(parts), self.low - before
        return True

    def _store(self, pages: Int64) -> bool:
        """Give those of these pages a place that have none yet."""
        new = pages[self.pages[pages - self.low] == 0]
        stored = self.stored_pages + len(new)
        if (stored + 1) * _PAGE_IDS // 8 > _LIMIT_BYTES:
            return False
        self.pages[new - self.low] = np.arange(self.stored_pages + 1, stored + 1)
        self.stored_pages = stored
        # Twice as large each time: growing costs no more than filling.
        while len(self.bits) < (stored + 1) * _PAGE_IDS // 8:
            self.bits = np.concatenate([self.bits, np.zeros_like(self.bits)])
        if (stored + 1) * _PAGE_IDS * _VALUE_BYTES > _LIMIT_BYTES:
            self.values = None
        while self.values is not None and len(self.values) < (stored + 1) * _PAGE_IDS:
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        return True

    def members(self) -> Members:
        ids = (self.stored_pages + 1) * _PAGE_IDS
        used = self.bits[: ids // 8]
        distinct = int(np.bitwise_count(used).sum(dtype=np.int64))
        values = None
        # Of several posts of one id one subreddit would be looked at only.
        if self.values is not None and distinct == self.rows:
            values = self.values[:ids].astype(">i4").tobytes()
        return Members(self.low, self.pages, used.tobytes(), values, self.rows, distinct)
