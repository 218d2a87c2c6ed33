"""Taking backups elsewhere: ``backup download`` one, ``backup snapshot`` all of them into one tar file."""

from __future__ import annotations

import io
import os
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

from redclust.config import Loaded
from redclust.errors import ArtefactUnusable, RedclustError, Refused
from redclust.ops.backup import archive, evidence, manifest, places
from redclust.ops.backup.catalog import Catalog, Entry, State
from redclust.ops.backup.local import LocalStore
from redclust.ops.backup.manifest import Manifest
from redclust.ops.backup.store import Marker
from redclust.report import Progress, Report, Task

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DownloadReport(Report):
    """A copy whose every byte was read back from ``path``."""

    verb: ClassVar[str] = "backup.download"
    name: str
    path: str
    size_bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class SnapshotReport(Report):
    """``left_out`` are entries of the place that are no whole backups, each with why."""

    verb: ClassVar[str] = "backup.snapshot"
    path: str
    backups: tuple[str, ...]
    size_bytes: int
    left_out: tuple[str, ...]
    duration_s: float

    @property
    def ok(self) -> bool:
        return not any("broken" in told for told in self.left_out)


def download(loaded: Loaded, name: str, directory: Path, progress: Progress) -> DownloadReport:
    """Copy one backup, or the latest, into a directory, and compare every byte there with its hash.

    Raises:
        ArtefactUnusable: it is damaged; nothing of the copy is left.
        Refused: a backup of that name is there already.
    """
    started_s = time.monotonic()
    catalog = places.read(loaded)
    entry = catalog.choose(name, can_read=loaded.settings.backup.identity_file is not None)
    made = _manifest(entry)
    target = LocalStore(directory.absolute())
    opened = target.begin(entry.name, Marker.of(made.identity))
    if opened is None:
        raise Refused(
            f"{target.describe(entry.name)} is there already", hint="remove it, or name another directory"
        )
    source = catalog.store
    with (
        opened as draft,
        source.reading(entry.name),
        progress.task("copy", 2 * made.size_bytes, "bytes") as task,
    ):
        for payload in made.payloads:
            with source.open(entry.name, payload.file) as raw, draft.create(payload.file) as copy:
                _copy(raw, copy, task)
            with draft.open(payload.file) as written:
                what = target.describe(f"{entry.name}/{payload.file}")
                archive.check_hash(written, payload, what, task.advance)
        draft.complete(source.read(entry.name, manifest.FILE))
    where = target.describe(entry.name)
    return DownloadReport(entry.name, where, made.size_bytes, time.monotonic() - started_s)


def snapshot(loaded: Loaded, file: Path, progress: Progress) -> SnapshotReport:
    """Put every whole backup of the place into a new tar file, each byte compared with its hash on the way.

    In it each manifest stands behind its files, so a tar that is cut off unpacks into no false backup.
    ``tar -xf FILE -C DIRECTORY`` makes a place of backups again.

    Raises:
        ArtefactUnusable: a backup is damaged, or there is none; no file is left.
        Refused: the file is there already.
    """
    started_s = time.monotonic()
    file = file.absolute()
    if file.exists():
        raise Refused(f"{file} is there already", hint="name another file")
    catalog = places.read(loaded)
    whole = [entry for entry in catalog.entries if entry.whole]
    if not whole:
        raise ArtefactUnusable(
            f"there is no whole backup in {catalog.store.describe()}", hint="redclust backup ls"
        )
    left = [f"{e.name} is {e.state.value}" for e in catalog.entries if not e.whole]
    partial = file.with_name(file.name + ".partial")
    try:
        _write_tar(catalog, whole, partial, progress)
        partial.rename(file)
    except OSError as error:
        raise RedclustError(f"{error.strerror}: {error.filename or file}") from None
    finally:
        partial.unlink(missing_ok=True)
    names = tuple(entry.name for entry in whole)
    return SnapshotReport(str(file), names, file.stat().st_size, tuple(left), time.monotonic() - started_s)


def _write_tar(catalog: Catalog, whole: list[Entry], partial: Path, progress: Progress) -> None:
    total = sum(entry.size_bytes for entry in whole)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as out, progress.task("snapshot", total, "bytes") as task:
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for entry in whole:
                with catalog.store.reading(entry.name):
                    _add(catalog, entry, tar, task)
        out.flush()
        os.fsync(out.fileno())


def _add(catalog: Catalog, entry: Entry, tar: tarfile.TarFile, task: Task) -> None:
    made, store = _manifest(entry), catalog.store
    directory = tarfile.TarInfo(entry.name)
    directory.type, directory.mode = tarfile.DIRTYPE, 0o700
    directory.mtime = int(made.moment.at.timestamp())
    tar.addfile(directory)
    for payload in made.payloads:
        with store.open(entry.name, payload.file) as raw:
            source = archive.Hashing(raw, task.advance)
            tar.addfile(_member(entry, payload.file, payload.size_bytes), cast(BinaryIO, source))
            source.check(payload, store.describe(f"{entry.name}/{payload.file}"))
    known = [evidence.file_of(check.level) for check in entry.evidence.checks]
    known += [evidence.PIN_FILE] if entry.pinned else []
    for file in (*known, manifest.FILE):
        content = store.read(entry.name, file)
        tar.addfile(_member(entry, file, len(content)), io.BytesIO(content))


def _member(entry: Entry, file: str, size_bytes: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{entry.name}/{file}")
    member.size, member.mode, member.mtime = size_bytes, 0o600, int(entry.at.timestamp())
    return member


def _copy(raw: BinaryIO, copy: BinaryIO, task: Task) -> None:
    while block := raw.read(_BLOCK_BYTES):
        rest = memoryview(block)
        while rest:
            rest = rest[copy.write(rest) :]
        task.advance(len(block))


def _manifest(entry: Entry) -> Manifest:
    if entry.manifest is None or entry.state is State.BROKEN:
        raise ArtefactUnusable(f"{entry.name} is no whole backup: {entry.problem}")
    return entry.manifest
