"""Opening a dump, whatever it is packed in."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from redclust.dumps.compressed import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    Damaged,
    Frame,
    Input,
    gzip_chunks,
    is_skippable,
    plain_chunks,
    zstd_chunks,
)
from redclust.errors import ArtefactUnusable

__all__ = ["Damaged", "Format", "Source", "open_source"]


class Format(StrEnum):
    """What a file is packed in, by its first bytes; its suffix says nothing."""

    ZSTD = "zstd"
    GZIP = "gzip"
    PLAIN = "plain"


#: What is recognised only to say so, and what undoes it.
_OTHERS = {
    b"BZh": ("bzip2", "bzcat"),
    b"\xfd7zXZ\0": ("xz", "xzcat"),
    b"PK\x03\x04": ("zip", "unzip -p"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x -so"),
}


class Source:
    """An open dump: decompressed chunks, and how far into the compressed bytes they reach.

    ``total_bytes`` is the compressed size, None where it has none (a pipe); ``window_bytes`` is the widest
    zstd window met so far, 0 in other formats. Leaving it closes the stream, unless ``keep_open``.
    """

    def __init__(
        self, stream: BinaryIO, name: str, total_bytes: int | None, *, keep_open: bool = False
    ) -> None:
        self._stream = stream
        self._keep_open = keep_open
        self._input = Input(stream, name)
        self.name = name
        self.total_bytes = total_bytes
        self.window_bytes = 0
        self.format = self._detect()

    @property
    def read_bytes(self) -> int:
        """Compressed bytes consumed so far."""
        return self._input.consumed_bytes

    def chunks(self) -> Iterator[bytes]:
        """The decompressed bytes, at most 128 KiB at once; to be called once.

        Raises:
            Damaged: truncated or corrupt, after all that could be read.
            ArtefactUnusable: a zstd frame needs more memory than there is, or a dictionary.
        """
        match self.format:
            case Format.ZSTD:
                return zstd_chunks(self._input, self._on_frame)
            case Format.GZIP:
                return gzip_chunks(self._input)
            case Format.PLAIN:
                return plain_chunks(self._input)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._keep_open:
            self._stream.close()

    def _on_frame(self, frame: Frame) -> None:
        self.window_bytes = max(self.window_bytes, frame.window_bytes)

    def _detect(self) -> Format:
        magic = self._input.peek(6)
        if not magic:
            raise ArtefactUnusable(f"{self.name}: is empty")
        for signature, (what, tool) in _OTHERS.items():
            if magic.startswith(signature):
                raise ArtefactUnusable(
                    f"{self.name}: is {what}; understood are zstd, gzip and plain text",
                    hint=f"unpack it on the way: {tool} FILE | redclust import -",
                )
        if magic[:4] == ZSTD_MAGIC or is_skippable(magic[:4]):
            return Format.ZSTD
        if magic.startswith(GZIP_MAGIC):
            return Format.GZIP
        return Format.PLAIN


def open_source(path: Path | None) -> Source:
    """Open a dump; None is standard input.

    Raises:
        ArtefactUnusable: it cannot be opened, is empty, or is packed in something not understood.
    """
    if path is None:
        return Source(sys.stdin.buffer, "standard input", None, keep_open=True)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ArtefactUnusable(f"{path}: cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(stream.fileno())
        return Source(stream, str(path), status.st_size if stat.S_ISREG(status.st_mode) else None)
    except BaseException:
        stream.close()
        raise
