"""What is to be restored: a backup with a manifest, or somebody's dump without one."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from redclust.config import Loaded
from redclust.errors import ArtefactUnusable, Refused
from redclust.ops.backup import catalog, manifest, places
from redclust.ops.backup.catalog import LATEST, Catalog, Entry
from redclust.ops.backup.make import keys_of
from redclust.ops.backup.manifest import Manifest
from redclust.ops.backup.store import Store

_ZSTD, _GZIP, _ARCHIVE = b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"PGDMP"
_TAR_NAME = b"toc.dat\0"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of redclust's, whole by its manifest."""

    store: Store
    entry: Entry
    manifest: Manifest
    keys: Sequence[object]

    @property
    def where(self) -> str:
        return self.store.describe(self.entry.name)


class DumpKind(StrEnum):
    """The form of a dump that has no manifest."""

    #: pg_dump's custom format, one file.
    ARCHIVE = "archive"
    #: pg_dump's tar format, which only one job can restore.
    TAR = "tar"
    #: pg_dump's directory format.
    DIRECTORY = "directory"
    #: SQL text.
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump of unknown origin: code that runs with this role's rights, and nothing says what it holds."""

    path: Path
    kind: DumpKind
    #: The file is compressed around pg_dump's own format.
    packed: bool

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def parallel(self) -> bool:
        """Whether more than one job can restore it."""
        return not self.packed and self.kind in (DumpKind.ARCHIVE, DumpKind.DIRECTORY)

    def open(self) -> BinaryIO:
        """Its bytes, unpacked."""
        return _unpacked(self.path)


Source = Backup | Dump


def find(loaded: Loaded, wanted: str, *, trust: bool) -> Source:
    """A backup by ``latest``, its name or its path, or with ``trust`` a dump by its path.

    Raises:
        ArtefactUnusable: there is none, or it is unfinished, damaged, or no dump.
        Refused: it has no manifest, and ``trust`` was not given.
    """
    keys = keys_of(loaded)
    if wanted != LATEST:
        path = Path(wanted)
        if (path / manifest.FILE).is_file():
            return _backup(*catalog.at(path, places.ours(loaded)), keys)
        if path.exists():
            return _dump(path, trust=trust)
        if "/" in wanted:
            raise ArtefactUnusable(f"{wanted}: no such file or directory", hint="redclust backup ls")
    listed = places.read(loaded)
    return _backup(listed, listed.choose(wanted, can_read=bool(keys)), keys)


def _backup(listed: Catalog, entry: Entry, keys: Sequence[object]) -> Backup:
    if entry.manifest is None:  # choose() gives whole ones only
        raise ArtefactUnusable(f"{entry.name} has no manifest")
    return Backup(listed.store, entry, entry.manifest, keys)


def _dump(path: Path, *, trust: bool) -> Dump:
    if not trust:
        raise Refused(
            f"{path} has no manifest of redclust's: a dump is code that runs with your rights, and nothing "
            "tells whether it is whole",
            hint="add --trust if you know who made it",
        )
    path = path.absolute()
    if path.is_dir():
        if not (path / "toc.dat").is_file():
            raise ArtefactUnusable(f"{path} is neither a backup nor a dump in pg_dump's directory format")
        return Dump(path, DumpKind.DIRECTORY, packed=False)
    try:
        with path.open("rb") as file:
            packed = file.read(4).startswith((_ZSTD, _GZIP))
        with _unpacked(path) as file:
            head = file.read(512)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise ArtefactUnusable(f"{path} cannot be read: {error}") from None
    if not head:
        raise ArtefactUnusable(f"{path} is empty")
    kinds = {_ARCHIVE: DumpKind.ARCHIVE, _TAR_NAME: DumpKind.TAR}
    kind = next((kind for magic, kind in kinds.items() if head.startswith(magic)), DumpKind.SCRIPT)
    return Dump(path, kind, packed)


def _unpacked(path: Path) -> BinaryIO:
    raw = path.open("rb")
    head = raw.read(4)
    raw.seek(0)
    if head.startswith(_ZSTD):
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader)))
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return raw
