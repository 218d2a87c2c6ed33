"""Compressed input, told apart exactly: every byte that can be had, and whether the end is the end.

zstd frames are walked block by block (a block holds at most 128 KiB of content), so that one call to the
decoder never gives more than one block however well the data compresses, and a stream that stops inside a
frame cannot pass for one that ended.

Source: RFC 8878 (zstd), sections 3.1.1 and 3.1.2; RFC 1952 (gzip).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from redclust.dumps.memory import available_memory_bytes
from redclust.errors import ArtefactUnusable

#: The most decompressed bytes handed out at once.
CHUNK_BYTES = 128 * 1024
#: The widest zstd window accepted; the old dumps use exactly this one.
MAX_WINDOW_BYTES = 2**31

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 18
_RLE = 1


class Damaged(ArtefactUnusable):
    """A file that is truncated or corrupt; what could be read came before."""


class Input:
    """A binary stream that can be looked ahead in; ``name`` is what messages call it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0
        self._read_bytes = 0
        self._error: OSError | None = None
        self.name = name

    @property
    def consumed_bytes(self) -> int:
        return self._read_bytes - (len(self._held) - self._at)

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        self._hold(size)
        return self._held[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, consumed; fewer only at the end."""
        data = self.peek(size)
        self._at += len(data)
        return data

    def skip(self, size: int) -> bool:
        """Consume ``size`` bytes without holding them; False where the input ends first."""
        while size:
            taken = len(self.take(min(size, CHUNK_BYTES)))
            if not taken:
                return False
            size -= taken
        return True

    def give_back(self, data: bytes) -> None:
        """Undo the consumption of ``data``, the last bytes taken."""
        self._held = data + self._held[self._at :]
        self._at = 0

    def damaged(self, what: str) -> Damaged:
        """The error to raise where the input is not what it should be; a failure to read comes first."""
        if self._error is not None:
            return Damaged(
                f"{self.name}: cannot be read beyond byte {self._read_bytes:,}: {self._error.strerror}"
            )
        return Damaged(f"{self.name}: {what} at compressed byte {self.consumed_bytes:,}")

    def _hold(self, size: int) -> None:
        missing = size - (len(self._held) - self._at)
        if missing <= 0:
            return
        parts = [self._held[self._at :]]
        while missing > 0 and self._error is None:
            try:
                data = self._stream.read(max(missing, CHUNK_BYTES))
            except OSError as error:
                self._error = error
                break
            if not data:
                break
            parts.append(data)
            missing -= len(data)
            self._read_bytes += len(data)
        self._held = b"".join(parts)
        self._at = 0
        if self._error is not None and not self._held:
            raise self.damaged("") from self._error


@dataclass(frozen=True, slots=True)
class Frame:
    """What a zstd frame says of itself before its content."""

    header_bytes: int
    window_bytes: int
    has_checksum: bool


def is_skippable(magic: bytes) -> bool:
    """Whether these four bytes begin a zstd frame that holds no content."""
    return len(magic) == 4 and 0x50 <= magic[0] <= 0x5F and magic[1:] == b"\x2a\x4d\x18"


def zstd_chunks(source: Input, on_frame: Callable[[Frame], None]) -> Iterator[bytes]:
    """The content of all frames, at most ``CHUNK_BYTES`` at once; ``on_frame`` is told of each before it.

    Memory: the frame's window and one block. Linear.

    Raises:
        ArtefactUnusable: a frame needs a wider window than is accepted or fits into memory, or a dictionary.
        Damaged: the input ends inside a frame, a block or a checksum is wrong, or other bytes follow.
    """
    while magic := source.peek(4):
        if is_skippable(magic):
            size = source.take(8)[4:]
            if len(size) < 4 or not source.skip(int.from_bytes(size, "little")):
                raise source.damaged("truncated: it ends inside a skippable zstd frame")
        elif magic == ZSTD_MAGIC:
            frame = _frame(source)
            on_frame(frame)
            yield from _content(source, frame)
        elif ZSTD_MAGIC.startswith(magic):
            raise source.damaged("truncated: it ends inside the header of a zstd frame")
        else:
            raise source.damaged("corrupt: bytes that are no zstd frame follow the last one")


def gzip_chunks(source: Input) -> Iterator[bytes]:
    """The content of all members, at most ``CHUNK_BYTES`` at once. Linear.

    Zero bytes after a member are padding, as gzip itself sees them.

    Raises:
        Damaged: the input ends inside a member, a checksum is wrong, or other bytes follow.
    """
    while source.peek(1):
        if source.peek(1) == b"\0":
            while (data := source.take(CHUNK_BYTES)) and not data.strip(b"\0"):
                continue
            if not data:
                return
            source.give_back(data.lstrip(b"\0"))
        magic = source.peek(2)
        if not GZIP_MAGIC.startswith(magic):
            raise source.damaged("corrupt: bytes that are no gzip member follow the last one")
        yield from _member(source)


def plain_chunks(source: Input) -> Iterator[bytes]:
    """The bytes as they are, at most ``CHUNK_BYTES`` at once."""
    while data := source.take(CHUNK_BYTES):
        yield data


def _frame(source: Input) -> Frame:
    head = source.peek(_HEADER_BYTES)
    window_bytes = _window_bytes(head)
    if window_bytes > MAX_WINDOW_BYTES:
        raise ArtefactUnusable(
            f"{source.name}: needs a zstd window of {_mib(window_bytes)}; "
            f"at most {_mib(MAX_WINDOW_BYTES)} are accepted",
            hint="pack it again with a narrower window: zstd --long=31",
        )
    try:
        parameters = zstandard.get_frame_parameters(head)
        header_bytes = zstandard.frame_header_size(head)
    except zstandard.ZstdError as error:
        if len(head) < _HEADER_BYTES:
            raise source.damaged("truncated: it ends inside the header of a zstd frame") from error
        raise source.damaged(f"corrupt: {error}") from error
    if parameters.dict_id:
        raise ArtefactUnusable(
            f"{source.name}: compressed with a zstd dictionary ({parameters.dict_id}), which is not in it",
            hint="decompress it with `zstd -D DICTIONARY` first",
        )
    window_bytes = parameters.window_size
    # The decoder holds the window, or all of the content where that is known to be less.
    needed_bytes = min(window_bytes, parameters.content_size)
    available_bytes = available_memory_bytes()
    if available_bytes is not None and needed_bytes > available_bytes:
        raise ArtefactUnusable(
            f"{source.name}: its zstd window needs {_mib(needed_bytes)} of memory, "
            f"{_mib(available_bytes)} are available",
            hint="free memory, or compress it again with a smaller window on a larger machine",
        )
    return Frame(header_bytes, window_bytes, parameters.has_checksum)


def _window_bytes(head: bytes) -> int:
    """The window that a frame's header asks for; 0 where it gives the size of the content instead.

    zstd's own reader of headers calls a window that is too wide for it a damage, and tells no number.
    """
    single_segment = len(head) > 4 and head[4] & 0x20
    if len(head) < 6 or single_segment:
        return 0
    base_bytes = 1 << (10 + (head[5] >> 3))
    return base_bytes + base_bytes // 8 * (head[5] & 7)


def _content(source: Input, frame: Frame) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()
    data = source.take(frame.header_bytes)
    truncated = "truncated: it ends inside a zstd frame"
    last = False
    while not last:
        head = source.take(3)
        if len(head) < 3:
            raise source.damaged(truncated)
        bits = int.from_bytes(head, "little")
        last, kind, size = bool(bits & 1), bits >> 1 & 3, bits >> 3
        body = source.take(1 if kind == _RLE else size)
        if len(body) < (1 if kind == _RLE else size):
            raise source.damaged(truncated)
        try:
            content = decoder.decompress(data + head + body)
            data = b""
            if content:
                yield content
            if last and frame.has_checksum:
                decoder.decompress(source.take(4))
        except zstandard.ZstdError as error:
            raise source.damaged(f"corrupt: {error}") from error
        except MemoryError as error:
            raise ArtefactUnusable(
                f"{source.name}: its zstd window of {_mib(frame.window_bytes)} does not fit into memory"
            ) from error
    if not decoder.eof:
        raise source.damaged(truncated)


def _member(source: Input) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    data = b""
    while not decoder.eof:
        fresh = b"" if data else source.take(CHUNK_BYTES)
        try:
            content = decoder.decompress(data or fresh, CHUNK_BYTES)
        except zlib.error as error:
            raise source.damaged(f"corrupt: {error}") from error
        if not (data or fresh or content or decoder.eof):
            raise source.damaged("truncated: it ends inside a gzip member")
        data = decoder.unconsumed_tail
        if content:
            yield content
    source.give_back(decoder.unused_data)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
