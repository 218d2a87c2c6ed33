"""Backups in a directory of this machine: closed to others, synced, renamed when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from redclust.db import filelock
from redclust.errors import ArtefactUnusable, DatabaseUnreachable, RedclustError
from redclust.ops.backup import signed
from redclust.ops.backup.manifest import FILE
from redclust.ops.backup.store import MARKER, Draft, Found, Marker

PARTIAL = ".partial"
#: Names at the place and in backups that are ours and no part of one.
_HIDDEN = "."


@dataclass(frozen=True, slots=True)
class LocalStore:
    """See ``store.Store``; ``NAME.partial`` is one that is not finished."""

    root: Path
    remote: bool = False

    def describe(self, name: str = "") -> str:
        return str(self.root / name)

    def scan(self) -> list[Found]:
        try:
            entries = sorted(os.scandir(self.root), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except (PermissionError, NotADirectoryError) as error:
            raise DatabaseUnreachable(
                f"{error.strerror}: {self.root} cannot be listed", hint="which directory is backup.target?"
            ) from None
        found: list[Found] = []
        for entry in entries:
            if entry.name.startswith(_HIDDEN):
                continue
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(_found(entry))
        return found

    def read(self, name: str, file: str) -> bytes:
        with _in_words(self.root / name / file):
            return (self.root / name / file).read_bytes()

    def open(self, name: str, file: str) -> BinaryIO:
        with _in_words(self.root / name / file):
            return (self.root / name / file).open("rb", buffering=0)  # type: ignore[return-value]

    def put(self, name: str, file: str, content: bytes) -> None:
        directory = self.root / name
        if not name:
            self._make_root()
        temporary = directory / f".{file}.{os.getpid()}"
        try:
            _write(temporary, content)
            temporary.rename(directory / file)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _sync(directory)

    def delete(self, name: str, file: str) -> None:
        (self.root / name / file).unlink(missing_ok=True)

    def modified_at(self, name: str, file: str) -> datetime:
        return datetime.fromtimestamp((self.root / name / file).stat().st_mtime, UTC)

    def begin(self, name: str, marker: Marker) -> AbstractContextManager[Draft] | None:
        self._make_root()
        directory = self.root / (name + PARTIAL)
        if (self.root / name).exists():
            return None
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            return None
        if (self.root / name).exists():  # finished between the two looks
            directory.rmdir()
            return None
        return self._drafting(LocalDraft(name, self.root), marker)

    @contextmanager
    def _drafting(self, draft: LocalDraft, marker: Marker) -> Generator[Draft]:
        try:
            with filelock.hold_directory(draft.directory):
                _write(draft.directory / MARKER, signed.encode(marker))
                yield draft
        finally:
            draft.discard()

    def remove(self, name: str, marker: Marker) -> None:
        directory = self.root / name
        with filelock.hold_directory(directory):
            doomed = directory
            if not name.endswith(PARTIAL):
                self.put(name, MARKER, signed.encode(marker))
                doomed = self.root / (name + PARTIAL)
                directory.rename(doomed)
            shutil.rmtree(doomed)
        _sync(self.root)

    def reading(self, name: str) -> AbstractContextManager[None]:
        return filelock.hold_directory(self.root / name, shared=True)

    def free_bytes(self) -> int | None:
        place = next(p for p in (self.root, *self.root.parents) if p.exists())
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize

    def _make_root(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (PermissionError, FileExistsError) as error:
            raise DatabaseUnreachable(
                f"{error.strerror}: cannot make the directory of backups {self.root}",
                hint="set backup.target to a directory of your own",
            ) from None


@dataclass(slots=True)
class LocalDraft:
    """See ``store.Draft``."""

    name: str
    root: Path
    completed: bool = False

    @property
    def directory(self) -> Path:
        return self.root / (self.name + PARTIAL)

    @contextmanager
    def create(self, file: str) -> Generator[BinaryIO]:
        path = self.directory / file
        with _full(path):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as raw:
            try:
                yield cast(BinaryIO, _Writing(raw, path))
                with _full(path):
                    os.fsync(fd)
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def open(self, file: str) -> BinaryIO:
        raw = (self.directory / file).open("rb", buffering=0)
        # What is read back shall come from the disk where the kernel lets go of what it keeps in memory.
        with suppress(OSError):
            os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return cast(BinaryIO, raw)

    def complete(self, manifest: bytes) -> None:
        _write(self.directory / FILE, manifest)
        (self.directory / MARKER).unlink()
        (self.directory / ".lock").unlink(missing_ok=True)
        _sync(self.directory)
        self.directory.rename(self.root / self.name)
        self.completed = True
        _sync(self.root)

    def discard(self) -> None:
        if not self.completed:
            shutil.rmtree(self.directory, ignore_errors=True)


def _found(entry: os.DirEntry[str]) -> Found:
    at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
    if not entry.is_dir(follow_symlinks=False):
        return Found(entry.name, None, at)
    files = {
        inner.name: inner.stat(follow_symlinks=False).st_size
        for inner in os.scandir(entry.path)
        if not inner.name.startswith(_HIDDEN)
    }
    return Found(entry.name, files, at)


@contextmanager
def _in_words(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ArtefactUnusable(f"{path} is missing") from None
    except IsADirectoryError:
        raise ArtefactUnusable(f"{path} is a directory, not a file") from None
    except PermissionError:
        raise DatabaseUnreachable(f"Permission denied: {path}", hint="whose backup is it?") from None


@dataclass(frozen=True, slots=True)
class _Writing:
    raw: FileIO
    path: Path

    def write(self, block: bytes) -> int:
        with _full(self.path):
            return self.raw.write(block)


@contextmanager
def _full(path: Path) -> Generator[None]:
    """A disk that is full or fails, with the file that it could not take."""
    try:
        yield
    except OSError as error:
        raise RedclustError(
            f"{error.strerror}: {path}", hint="redclust backup tidy --keep N, or another backup.target"
        ) from None


def _write(path: Path, content: bytes) -> None:
    with _full(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
