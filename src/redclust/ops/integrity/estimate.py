"""How many bytes a table or index would take if it were written anew, from the planner's statistics.

A guess to choose by, not to act on: averages stand for widths, and old statistics for the rows of today.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PAGE_HEADER_BYTES = 24
LINE_POINTER_BYTES = 4
_ROW_HEADER_BYTES = 23
_BTREE_SPECIAL_BYTES = 16
_INDEX_HEADER_BYTES = 8
_MAXALIGN = 8
#: A text of at most so many bytes has a header of one byte, and is not aligned.
_SHORT_BYTES = 127
#: What an index's build makes of one key's many rows: a list of row pointers, a tenth of a page at most.
_POSTING_LIST_BYTES = 812
_ROW_POINTER_BYTES = 6
_FEW_ROWS = 4
#: Of a computation whose error shrinks by a tenth each time.
_ROUNDS = 8
_ALIGNMENTS = {"c": 1, "s": 2, "i": 4, "d": 8}


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the catalog tells it; ``length`` is -1 for text and its like.

    ``distinct`` as in pg_stats: a count, or negative a share of the rows.
    """

    length: int
    alignment: str
    width_bytes: float
    null_ratio: float
    distinct: float


@dataclass(frozen=True, slots=True)
class Width:
    """Bytes on average; ``varies`` where rows differ, ``chunks`` for pieces of values in a TOAST table."""

    mean_bytes: float
    varies: bool
    chunks: bool = False


def row_width(columns: Sequence[Column]) -> Width:
    """A row in a table, with its header and padding, without its line pointer."""
    nulls = math.ceil(len(columns) / 8) if any(column.null_ratio > 0 for column in columns) else 0
    return _width(columns, _aligned(_ROW_HEADER_BYTES + nulls))


def index_row_width(columns: Sequence[Column]) -> Width:
    """An entry of a B-tree, without its line pointer."""
    nulls = _MAXALIGN if any(column.null_ratio > 0 for column in columns) else 0
    return _width(columns, _INDEX_HEADER_BYTES + nulls)


def table_bytes(width: Width, rows: float, *, fill_ratio: float, page_bytes: int) -> int:
    """A table's main part."""
    room_bytes = (page_bytes - PAGE_HEADER_BYTES) * fill_ratio
    rows_per_page = room_bytes / (width.mean_bytes + LINE_POINTER_BYTES)
    # A page ends with a gap: of rows that differ half a row on average, of others what the division leaves.
    # Of a few wide rows nobody knows whether they differ enough: better to miss bloat than to invent it.
    if width.chunks:
        rows_per_page = math.floor(rows_per_page - 0.5)
    elif width.varies and rows_per_page >= _FEW_ROWS:
        rows_per_page -= 0.5
    else:
        rows_per_page = math.floor(rows_per_page)
    return math.ceil(rows / max(1.0, rows_per_page)) * page_bytes


def measured_width(live_bytes: float, rows: float, *, pages: float, page_bytes: int) -> float:
    """A row's bytes where ``live_bytes`` is all that is not free on ``pages`` that were full of such rows.

    What is not free includes each page's header and a line pointer for every row that was ever there.
    """
    mean_bytes = live_bytes / rows
    for _ in range(_ROUNDS):
        pointers = (page_bytes - PAGE_HEADER_BYTES) / (mean_bytes + LINE_POINTER_BYTES)
        overhead_bytes = pages * (PAGE_HEADER_BYTES + pointers * LINE_POINTER_BYTES)
        mean_bytes = max(_ROW_HEADER_BYTES, (live_bytes - overhead_bytes) / rows)
    return mean_bytes


def index_bytes(
    columns: Sequence[Column], rows: float, *, unique: bool, fill_ratio: float, page_bytes: int
) -> int:
    """A B-tree: entries of one key share their key where the index is not unique."""
    entry_bytes = index_row_width(columns).mean_bytes + LINE_POINTER_BYTES
    per_key = 1.0 if unique else rows / max(1.0, _distinct(columns, rows))
    cost_bytes = entry_bytes
    if per_key >= 2:
        pointers = min(per_key, max(2.0, (_POSTING_LIST_BYTES - entry_bytes) / _ROW_POINTER_BYTES))
        cost_bytes = _ROW_POINTER_BYTES + entry_bytes / pointers
    room_bytes = page_bytes - PAGE_HEADER_BYTES - _BTREE_SPECIAL_BYTES - entry_bytes
    leaves = math.ceil(rows * cost_bytes / (room_bytes * fill_ratio))
    inner = math.ceil(leaves * entry_bytes / room_bytes) if leaves > 1 else 0
    return (1 + leaves + inner) * page_bytes


def _distinct(columns: Sequence[Column], rows: float) -> float:
    product = 1.0
    for column in columns:
        product *= column.distinct if column.distinct > 0 else -column.distinct * rows
    return min(product, rows)


def _width(columns: Sequence[Column], header_bytes: int) -> Width:
    offset = 0.0
    varies = False
    for column in columns:
        alignment = _ALIGNMENTS[column.alignment]
        if column.length < 0 and column.width_bytes <= _SHORT_BYTES:
            alignment = 1
        # Behind text the place is any, so on average half of what could be needed.
        padding = (alignment - 1) / 2 if varies else -offset % alignment
        offset += (padding + column.width_bytes) * (1 - column.null_ratio)
        varies = varies or column.length < 0 or column.null_ratio > 0
    if varies:
        return Width(header_bytes + offset + (_MAXALIGN - 1) / 2, varies)
    return Width(header_bytes + _aligned(offset), varies)


def _aligned(size_bytes: float) -> int:
    return math.ceil(size_bytes / _MAXALIGN) * _MAXALIGN
