"""Chunks of bytes to blocks of whole lines, with exact places."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from redclust.dumps.batches import RAW_BYTES, Checkpoint, Int64, Reject
from redclust.dumps.reasons import Reason
from redclust.errors import ArtefactUnusable

#: Some hundred rows: enough that a call for each column costs little a row, and no more than a cache holds.
BLOCK_BYTES = 512 * 1024
#: A longer line is rejected without being held.
MAX_LINE_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_NEWLINE = 10
_RETURN = 13


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines.

    ``start`` and ``end`` are where the content of each line is in ``data``, without its line end (LF or
    CRLF); ``line`` is the number of lines before the block and ``offset_bytes`` where it begins in the
    file. ``ended`` is False for the last line of a file that has no line end: such a block has one line.
    """

    data: bytes
    start: Int64
    end: Int64
    line: int
    offset_bytes: int
    ended: bool

    def __len__(self) -> int:
        return len(self.end)

    def text(self, i: int) -> bytes:
        return self.data[self.start[i] : self.end[i]]

    def reject(self, i: int, reason: Reason) -> Reject:
        start = int(self.start[i])
        raw = self.data[start : min(int(self.end[i]), start + RAW_BYTES)]
        return Reject(self.line + i + 1, self.offset_bytes + start, reason.value, raw)


class Lines:
    """Takes lines off a stream of chunks, from ``at`` on, which the chunks begin at.

    Holds one block, or one line of up to ``max_line_bytes`` (to be more than a block and a chunk together).
    A byte order mark at the very beginning is passed over. Linear.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        *,
        at: Checkpoint,
        block_bytes: int = BLOCK_BYTES,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._chunks = chunks
        self._block_bytes = block_bytes
        self._max_line_bytes = max_line_bytes
        self._line = at.line
        self._offset_bytes = at.offset_bytes
        self._crc32 = at.crc32
        self._data = b""
        self._newlines: Int64 = np.zeros(0, np.int64)
        self._taken = 0
        self._rest = b""
        self._ended = False
        self._problem: ArtefactUnusable | None = None

    def checkpoint(self, read_bytes: int) -> Checkpoint:
        """The place after the last line taken."""
        return Checkpoint(self._offset_bytes, self._line, self._crc32, read_bytes)

    def take(self, max_lines: int) -> Block | Reject | None:
        """The next lines, a line too long to be one, or None at the end.

        Raises:
            ArtefactUnusable: what the chunks raised, after the last whole line before it.
        """
        while self._taken == len(self._newlines):
            if self._problem is not None:
                raise self._problem
            if self._ended:
                return self._last()
            too_long = self._fill()
            if too_long is not None:
                return too_long
        begin = int(self._newlines[self._taken - 1]) + 1 if self._taken else 0
        stop = min(self._taken + max_lines, len(self._newlines))
        end = self._newlines[self._taken : stop] - begin
        data = self._data[begin : begin + int(end[-1]) + 1]
        self._taken = stop
        return self._block(data, end, ended=True)

    def _block(self, data: bytes, newlines: Int64, *, ended: bool) -> Block:
        start = np.empty_like(newlines)
        start[0] = 0
        np.add(newlines[:-1], 1, out=start[1:])
        # A line end of CRLF; in an empty line the byte before belongs to another line.
        returns = (np.frombuffer(data, np.uint8)[newlines - 1] == _RETURN) & (newlines > start)
        block = Block(data, start, newlines - returns, self._line, self._offset_bytes, ended)
        self._advance(data, len(newlines))
        return block

    def _advance(self, data: bytes, lines: int) -> None:
        self._crc32 = zlib.crc32(data, self._crc32)
        self._offset_bytes += len(data)
        self._line += lines

    def _fill(self) -> Reject | None:
        parts, size = [self._rest], len(self._rest)
        found = b"\n" in self._rest
        while size < self._block_bytes or not found:
            if not found and size > self._max_line_bytes:
                return self._pass_over(b"".join(parts))
            chunk = self._next_chunk()
            if chunk is None:
                break
            found = found or b"\n" in chunk
            parts.append(chunk)
            size += len(chunk)
        data = b"".join(parts)
        if self._offset_bytes == 0 and data.startswith(_BOM):
            self._advance(_BOM, 0)
            data = data[len(_BOM) :]
        if len(data) > self._max_line_bytes and (newline := data.find(b"\n")) > self._max_line_bytes:
            return self._too_long(data[: newline + 1], data[newline + 1 :])
        cut = data.rfind(b"\n") + 1
        self._data, self._rest = data[:cut], data[cut:]
        self._newlines = np.flatnonzero(np.frombuffer(self._data, np.uint8) == _NEWLINE)
        self._taken = 0
        return None

    def _next_chunk(self) -> bytes | None:
        try:
            return next(self._chunks)
        except StopIteration:
            self._ended = True
        except ArtefactUnusable as error:
            self._problem = error
        return None

    def _last(self) -> Block | Reject | None:
        data, self._rest = self._rest, b""
        if len(data) > self._max_line_bytes:
            return self._too_long(data, b"")
        return self._block(data, np.array([len(data)]), ended=False) if data else None

    def _too_long(self, data: bytes, rest: bytes) -> Reject:
        reject = Reject(self._line + 1, self._offset_bytes, Reason.LONG_LINE.value, data[:RAW_BYTES])
        self._advance(data, 1)
        self._set_rest(rest)
        return reject

    def _pass_over(self, data: bytes) -> Reject:
        """Consume a long line up to its end; nothing of it counts as taken where the stream breaks in it."""
        raw, crc32, size = data[:RAW_BYTES], zlib.crc32(data, self._crc32), len(data)
        rest = b""
        while (chunk := self._next_chunk()) is not None:
            cut = chunk.find(b"\n") + 1
            piece = chunk[:cut] if cut else chunk
            crc32 = zlib.crc32(piece, crc32)
            size += len(piece)
            if cut:
                rest = chunk[cut:]
                break
        if self._problem is not None:
            raise self._problem
        reject = Reject(self._line + 1, self._offset_bytes, Reason.LONG_LINE.value, raw)
        self._crc32 = crc32
        self._offset_bytes += size
        self._line += 1
        self._set_rest(rest)
        return reject

    def _set_rest(self, rest: bytes) -> None:
        self._data, self._rest = b"", rest
        self._newlines, self._taken = self._newlines[:0], 0
