"""Columns to Postgres' binary COPY format, and from there into a table.

Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt

from redclust.db.connect import Connection

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A column of one width: ``values`` integers, floats or bool, [n]; ``absent`` bool[n] marks NULLs."""

    values: npt.NDArray[Any]
    absent: Bool | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A column of UTF-8 text: row i is ``data[end[i - 1]:end[i]]``; ``absent`` bool[n] marks NULLs."""

    data: bytes
    end: Int64
    absent: Bool | None = None


@dataclass(frozen=True, slots=True)
class Tails:
    """The text columns of each row as COPY has them, a length before each text, one row after the other.

    Row i is ``data[end[i - 1]:end[i]]``; made where the texts are read, so that both processes have a share.
    """

    data: bytes
    end: Int64
    columns: int

    @classmethod
    def of(cls, texts: Sequence[Text]) -> Tails:
        """Put the columns side by side. Linear in rows and bytes."""
        rows = len(texts[0].end)
        step = 2 * len(texts)
        pieces: list[bytes] = [b""] * (rows * step)
        total = np.zeros(rows, np.int64)
        for i, text in enumerate(texts):
            start = np.concatenate((np.zeros(1, np.int64), text.end[:-1])) if rows else text.end
            length = text.end - start
            total += length + 4
            prefix = length.astype(">i4")
            if text.absent is not None:
                prefix[text.absent] = -1
            pieces[2 * i :: step] = _slices(prefix.tobytes(), 4)
            pieces[2 * i + 1 :: step] = _between(text.data, start, text.end)
        return cls(b"".join(pieces), np.cumsum(total), len(texts))

    def replaced(self, rows: Int64, row: Tails) -> Tails:
        """The same with each of ``rows`` (indices, ascending) replaced by the one row of ``row``."""
        if not len(rows):
            return self
        start = np.concatenate((np.zeros(1, np.int64), self.end[:-1]))
        length = self.end - start
        pieces: list[bytes] = []
        before = 0
        for i in rows.tolist():
            pieces += [self.data[before : start[i]], row.data]
            before = int(self.end[i])
            length[i] = len(row.data)
        return Tails(b"".join([*pieces, self.data[before:]]), np.cumsum(length), self.columns)


def send(
    connection: Connection,
    statement: LiteralString,
    fixed: Sequence[Fixed],
    tails: Tails | None,
    blocks: Iterable[Int64],
) -> None:
    """Run a ``COPY … FROM STDIN (FORMAT binary)`` with the chosen rows, given as blocks of indices.

    Rows keep their order only from block to block; what is held twice is bounded by a block.
    """
    with connection.cursor().copy(statement) as copy:
        copy.write(_HEADER)
        for rows in blocks:
            for piece in _pieces(encode(fixed, tails, rows)):
                copy.write(piece)
        copy.write(_TRAILER)


def _pieces(encoded: Iterable[bytes], size: int = 1 << 20) -> Iterator[memoryview]:
    # libpq copies what it is given into its own buffer: large blocks would be held twice.
    for block in encoded:
        view = memoryview(block)
        for start in range(0, len(view), size):
            yield view[start : start + size]


def encode(fixed: Sequence[Fixed], tails: Tails | None, rows: Int64) -> Iterator[bytes]:
    """The chosen ``rows`` (indices) as COPY tuples: fixed columns first, then texts, without header.

    A NULL has no width in this format, so rows are grouped by which fixed columns are NULL and each group
    is laid out as one array: the order of rows is not kept. Linear in rows and bytes.
    """
    pattern = np.zeros(len(rows), np.int64)
    for i, column in enumerate(fixed):
        if column.absent is not None:
            pattern |= column.absent[rows].astype(np.int64) << i
    for value in np.unique(pattern):
        chosen = rows[pattern == value]
        head = _heads(fixed, tails.columns if tails else 0, chosen, int(value))
        if tails is None:
            yield head.tobytes()
            continue
        pieces: list[bytes] = [b""] * (2 * len(chosen))
        pieces[0::2] = _slices(head.tobytes(), head.dtype.itemsize)
        start = np.concatenate((np.zeros(1, np.int64), tails.end[:-1]))[chosen]
        pieces[1::2] = _between(tails.data, start, tails.end[chosen])
        yield b"".join(pieces)


def _heads(fixed: Sequence[Fixed], texts: int, rows: Int64, pattern: int) -> npt.NDArray[np.void]:
    """Rows of one pattern of NULLs up to their first text, as a structured array."""
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for i, column in enumerate(fixed):
        layout.append((f"length{i}", ">i4"))
        if not pattern >> i & 1:
            dtype = column.values.dtype
            layout.append((f"value{i}", "i1" if dtype == np.bool_ else dtype.newbyteorder(">").str))
    head = np.empty(len(rows), np.dtype(layout))
    head["columns"] = len(fixed) + texts
    for i, column in enumerate(fixed):
        if pattern >> i & 1:
            head[f"length{i}"] = -1
        else:
            head[f"length{i}"] = column.values.dtype.itemsize
            head[f"value{i}"] = column.values[rows]
    return head


def _slices(data: bytes, width: int) -> list[bytes]:
    return [data[i : i + width] for i in range(0, len(data), width)]


def _between(data: bytes, start: Int64, end: Int64) -> list[bytes]:
    return [data[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
