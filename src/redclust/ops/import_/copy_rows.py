"""Columns to Postgres' binary COPY format.

Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A column of one width: ``values`` int64[n], int32[n] or bool[n]; ``absent`` bool[n] marks NULLs."""

    values: npt.NDArray[np.int64] | npt.NDArray[np.int32] | npt.NDArray[np.bool_]
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
            width = column.values.dtype.itemsize
            layout.append((f"value{i}", f">i{width}" if width > 1 else "i1"))
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
