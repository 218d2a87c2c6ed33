"""From pg_dump's pipe into files: compressed, encrypted and hashed on the way, never plain on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import BinaryIO

import zstandard

from redclust import pgtools
from redclust.ops.backup import age
from redclust.ops.backup.facts import Sized
from redclust.ops.backup.manifest import Payload, PayloadKind
from redclust.ops.backup.store import Draft
from redclust.pgtools import Child, Tools

_READ_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
#: A table is worth a pg_dump of its own from this size, and from this share of the database.
_OWN_DUMP_BYTES = 32 << 20
_OWN_DUMP_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Encoding:
    """How plain bytes become a file: zstd's level (0 none), and whom to encrypt to."""

    zstd_level: int
    recipients: tuple[object, ...] = ()

    def file(self, name: str, *, zstd: bool) -> str:
        return name + (".zst" if zstd and self.zstd_level else "") + (".age" if self.recipients else "")


@dataclass(frozen=True, slots=True)
class Piece:
    """One pg_dump: what goes into which file."""

    kind: PayloadKind
    file: str
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(slots=True)
class Children:
    """The programs at work, to be ended together."""

    _running: list[Child] = field(default_factory=list[Child])
    _lock: Lock = field(default_factory=Lock)
    _ended: bool = False

    def add(self, child: Child) -> None:
        with self._lock:
            self._running.append(child)
            if self._ended:
                child.kill()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for child in self._running:
                child.kill()


def pieces(tables: Sequence[Sized], *, plain: bool, jobs: int, encoding: Encoding) -> list[Piece]:
    """The archive, and where several jobs pay a file for each of the greatest tables, greatest first."""
    if plain:
        return [Piece(PayloadKind.SCRIPT, encoding.file("dump.sql", zstd=True))]
    whole = sum(table.size_bytes for table in tables)
    great = [t for t in tables if t.size_bytes > max(_OWN_DUMP_BYTES, _OWN_DUMP_SHARE * whole)]
    great.sort(key=lambda table: -table.size_bytes)
    # The greatest stays in the archive: with one job nothing is split.
    own = [_pattern(table) for table in great[1:]] if jobs > 1 else []
    archive = Piece(PayloadKind.ARCHIVE, encoding.file("archive.dump", zstd=True), without=tuple(own))
    names = (encoding.file(f"data-{number}.dump", zstd=True) for number in range(1, len(own) + 1))
    data = (Piece(PayloadKind.DATA, name, only=(table,)) for name, table in zip(names, own, strict=True))
    return [archive, *data]


def _pattern(table: Sized) -> str:
    """A table as pg_dump's patterns name exactly one."""
    schema, name = (part.replace('"', '""') for part in (table.schema, table.name))
    return f'"{schema}"."{name}"'


def write(
    draft: Draft,
    piece: Piece,
    tools: Tools,
    *,
    snapshot: str,
    lock_wait_s: float,
    env: Mapping[str, str],
    encoding: Encoding,
    children: Children,
) -> tuple[Payload, str]:
    """Run one pg_dump into its file; the payload, and what pg_dump warned of.

    Memory stays the same whatever the size.

    Raises:
        ToolError: pg_dump failed; nothing is left of the file.
        RedclustError: the place cannot take it.
    """
    argv = pgtools.dump_argv(
        tools,
        plain=piece.kind is PayloadKind.SCRIPT,
        snapshot=snapshot,
        lock_wait_s=lock_wait_s,
        only=piece.only,
        without=piece.without,
    )
    with pgtools.running(argv, env=env) as child, draft.create(piece.file) as raw:
        children.add(child)
        plain = _Counting(child.stdout.read)
        payload = encode(plain.read, raw, encoding, piece.kind, piece.file, lambda: plain.count)
        warnings = child.finish()
    return payload, warnings


def write_bytes(draft: Draft, file: str, content: bytes, kind: PayloadKind, encoding: Encoding) -> Payload:
    """A small file of a backup, not compressed."""
    source = _Counting(_Once(content).read)
    with draft.create(file) as raw:
        small = Encoding(0, encoding.recipients)
        return encode(source.read, raw, small, kind, file, lambda: source.count)


def encode(
    read: Callable[[int], bytes],
    raw: BinaryIO,
    encoding: Encoding,
    kind: PayloadKind,
    file: str,
    plain_bytes: Callable[[], int],
) -> Payload:
    """Compress, encrypt and write what ``read`` gives, hashing what is written."""
    sink = _Hashing(raw)
    if encoding.zstd_level:
        read = _compressed(read, encoding.zstd_level)
    if encoding.recipients:
        age.encrypt(read, sink.write, encoding.recipients)
    else:
        while block := read(_BLOCK_BYTES):
            sink.write(block)
    return Payload(
        file=file,
        kind=kind,
        size_bytes=sink.size,
        sha256=sink.hash.hexdigest(),
        plain_bytes=plain_bytes(),
        zstd=encoding.zstd_level > 0,
        age=bool(encoding.recipients),
    )


def _compressed(read: Callable[[int], bytes], level: int) -> Callable[[int], bytes]:
    """One zstd frame with a checksum; compressed on other cores while this thread reads and writes."""
    threads = min(4, os.cpu_count() or 1)
    frame = zstandard.ZstdCompressor(level=level, threads=threads, write_checksum=True).compressobj()
    ended = False

    def next_block(_: int) -> bytes:
        nonlocal ended
        while not ended:
            block = read(_READ_BYTES)
            ended = not block
            if packed := frame.flush() if ended else frame.compress(block):
                return packed
        return b""

    return next_block


class _Counting:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.count = 0

    def read(self, size: int) -> bytes:
        block = self._read(size)
        self.count += len(block)
        return block


class _Once:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int) -> bytes:
        block, self._content = self._content[:size], self._content[size:]
        return block


class _Hashing:
    """A file being written, with its hash and size so far."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> None:
        self.hash.update(block)
        rest = memoryview(block)
        while rest:  # a disk that is nearly full takes a part
            rest = rest[self._raw.write(rest) :]
        self.size += len(block)
