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


def encode(fixed: Sequence[Fixed], texts: Sequence[Text], rows: Int64) -> Iterator[bytes]:
    """The chosen ``rows`` (indices) as COPY tuples: fixed columns first, then texts, without header.

    A NULL has no width in this format, so rows are grouped by which fixed columns are NULL and each group
    is laid out as one array: the order of rows is not kept. Linear in rows and bytes.
    """
    pattern = np.zeros(len(rows), np.int64)
    for i, column in enumerate(fixed):
        if column.absent is not None:
            pattern |= column.absent[rows].astype(np.int64) << i
    for value in np.unique(pattern):
        yield _group(fixed, texts, rows[pattern == value], int(value))


def _group(fixed: Sequence[Fixed], texts: Sequence[Text], rows: Int64, pattern: int) -> bytes:
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for i, column in enumerate(fixed):
        layout.append((f"length{i}", ">i4"))
        if not pattern >> i & 1:
            width = column.values.dtype.itemsize
            layout.append((f"value{i}", f">i{width}" if width > 1 else "i1"))
    head = np.empty(len(rows), np.dtype(layout))
    head["columns"] = len(fixed) + len(texts)
    for i, column in enumerate(fixed):
        if pattern >> i & 1:
            head[f"length{i}"] = -1
        else:
            head[f"length{i}"] = column.values.dtype.itemsize
            head[f"value{i}"] = column.values[rows]
    if not texts:
        return head.tobytes()
    pieces: list[bytes] = [b""] * (len(rows) * (1 + 2 * len(texts)))
    step = 1 + 2 * len(texts)
    pieces[0::step] = _slices(head.tobytes(), head.dtype.itemsize)
    for i, text in enumerate(texts):
        start = np.concatenate((np.zeros(1, np.int64), text.end[:-1]))[rows]
        end = text.end[rows]
        length = (end - start).astype(">i4")
        if text.absent is not None:
            length[text.absent[rows]] = -1
        pieces[1 + 2 * i :: step] = _slices(length.tobytes(), 4)
        data = text.data
        pieces[2 + 2 * i :: step] = [data[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    return b"".join(pieces)


def _slices(data: bytes, width: int) -> list[bytes]:
    return [data[i : i + width] for i in range(0, len(data), width)]
