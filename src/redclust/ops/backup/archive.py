"""The files of a backup as plain streams: decrypted, decompressed, and hashed on the way.

A custom-format archive (``PayloadKind.ARCHIVE``) can be poured into pg_restore's standard input, which
restores it with one job; for ``--jobs`` it must be seekable, so :func:`unpack` makes a plain copy. Where
the dump was a parallel one, the data of its greatest tables lies in files of its own (``PayloadKind.DATA``):
restore section by section (``--section=pre-data`` of the archive, ``--section=data`` of every file,
``--section=post-data`` of the archive), in which each file is one stream.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import zstandard

from redclust.errors import ArtefactUnusable, ConfigError
from redclust.ops.backup import age
from redclust.ops.backup.manifest import Payload

_BLOCK_BYTES = 1 << 18
Write = Callable[[bytes], object]


def pour(
    raw: BinaryIO,
    payload: Payload,
    write: Write,
    *,
    keys: Sequence[object] = (),
    what: str,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Write the plain bytes of a payload to ``write``, from ``raw``, its file as it lies there.

    What was written may only be used when this has returned: the hash is known at the end. ``on_bytes`` is
    told how many bytes of the file each block had. Memory stays the same whatever the size.

    Raises:
        ArtefactUnusable: not the bytes that were written, or it cannot be decrypted or decompressed; begins
            with ``what``.
        ConfigError: it is encrypted and there are no ``keys``.
    """
    if payload.age and not keys:
        raise ConfigError(
            f"{what} is encrypted, and there is no key to read it", hint="set backup.identity_file"
        )
    source = Hashing(raw, on_bytes)
    plain = _Counting(write)
    try:
        if payload.zstd:
            unpacked = _Unpacking(plain.write)
            _flow(source, unpacked.write, payload, keys)
            unpacked.end()
        else:
            _flow(source, plain.write, payload, keys)
    except ArtefactUnusable as error:
        raise ArtefactUnusable(f"{what} is damaged: {error}", hint=error.hint) from None
    source.check(payload, what)
    if plain.count != payload.plain_bytes:
        raise ArtefactUnusable(
            f"{what} is damaged: {plain.count} bytes when unpacked, not {payload.plain_bytes}"
        )


def check_hash(
    raw: BinaryIO, payload: Payload, what: str, on_bytes: Callable[[int], None] = lambda count: None
) -> None:
    """Read a file to its end and compare size and SHA-256.

    Raises:
        ArtefactUnusable: not the bytes that were written.
    """
    source = Hashing(raw, on_bytes)
    while source.read(_BLOCK_BYTES):
        pass
    source.check(payload, what)


def unpack(
    raw: BinaryIO,
    payload: Payload,
    target: Path,
    *,
    keys: Sequence[object] = (),
    what: str,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Make a plain, seekable copy of a payload in a new file, open to this user alone; see :func:`pour`.

    Takes ``payload.plain_bytes`` of disk. Nothing is left of it when anything fails.
    """
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            pour(raw, payload, file.write, keys=keys, what=what, on_bytes=on_bytes)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _flow(source: Hashing, write: Write, payload: Payload, keys: Sequence[object]) -> None:
    if payload.age:
        age.decrypt(source.read, write, keys)
    while block := source.read(_BLOCK_BYTES):
        write(block)


class Hashing:
    """A file being read, with its hash and size so far."""

    def __init__(self, raw: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._raw, self._on_bytes = raw, on_bytes
        self._hash = hashlib.sha256()
        self._size = 0

    def read(self, size: int) -> bytes:
        block = self._raw.read(size)
        self._hash.update(block)
        self._size += len(block)
        self._on_bytes(len(block))
        return block

    def check(self, payload: Payload, what: str) -> None:
        if self._size != payload.size_bytes:
            raise ArtefactUnusable(
                f"{what} is damaged: it has {self._size} bytes, {payload.size_bytes} were written"
            )
        if self._hash.hexdigest() != payload.sha256:
            raise ArtefactUnusable(f"{what} is damaged: its SHA-256 is not the one that was written")


class _Counting:
    def __init__(self, write: Write) -> None:
        self._write = write
        self.count = 0

    def write(self, block: bytes) -> None:
        self._write(block)
        self.count += len(block)


class _Unpacking:
    """One zstd frame, and nothing behind it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def write(self, block: bytes) -> None:
        if self._frame.eof:
            raise ArtefactUnusable("there is something behind its end")
        try:
            plain = self._frame.decompress(block)
        except zstandard.ZstdError as error:
            raise ArtefactUnusable(f"cannot be decompressed: {error}") from None
        if plain:
            self._write(plain)

    def end(self) -> None:
        if not self._frame.eof:
            raise ArtefactUnusable("it is cut off")
