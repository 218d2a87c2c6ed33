"""A source's contents into an empty database."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from psycopg.conninfo import make_conninfo

from redclust import pgtools
from redclust.db import filelock
from redclust.db.connect import Connector
from redclust.db.databases import name_of
from redclust.errors import ArtefactUnusable, Locked, RedclustError, Refused, ToolError
from redclust.ops.backup import archive
from redclust.ops.backup.local import LocalStore
from redclust.ops.backup.manifest import Payload, PayloadKind
from redclust.ops.restore.source import Backup, Dump, DumpKind, Source
from redclust.pgtools import Child, Tools

_BLOCK_BYTES = 1 << 18
#: Another database in the middle of a script: psql would go on in that one.
_CONNECT = re.compile(rb"^\\c(?:onnect)?(?:\s|$)", re.MULTILINE)
Pour = Callable[[Callable[[bytes], object]], None]


@dataclass(frozen=True, slots=True)
class Filling:
    """How a copy is filled; ``owners=False`` makes everything the restoring role's own.

    ``room`` is the directory for files that have to be unpacked.
    """

    tools: Tools
    jobs: int
    owners: bool
    room: Path

    def fill(self, copy: Connector, source: Source) -> None:
        """Restore ``source`` into the empty database of ``copy``; the first error ends it.

        With several jobs a compressed archive is unpacked into ``room`` first: only a file that can be read
        at any place is restored in parallel. With one it is streamed and takes no room.

        Raises:
            ArtefactUnusable: the source is not what was written, or a script leaves its database.
            ToolError: pg_restore or psql fails; its last lines are in the message.
        """
        with ExitStack() as stack:
            run = _Run(self, copy, stack)
            if isinstance(source, Dump):
                run.dump(source)
            else:
                stack.enter_context(source.store.reading(source.entry.name))
                run.backup(source)


@dataclass(frozen=True, slots=True)
class _Run:
    how: Filling
    copy: Connector
    stack: ExitStack

    def backup(self, source: Backup) -> None:
        made = source.manifest
        for script in made.of(PayloadKind.SCRIPT):
            self._feed(self._psql(), _pourer(source, script), script.file)
        for whole in made.of(PayloadKind.ARCHIVE):
            data = made.of(PayloadKind.DATA)
            file = self._seekable(source, whole) if self.how.jobs > 1 else None
            if not data:
                self._archive(source, whole, file, "")
                continue
            self._archive(source, whole, file, "pre-data")
            # The greatest tables first: each is one stream, and the last one decides.
            parts = [(part, None) for part in sorted(data, key=lambda p: -p.plain_bytes)]
            self._beside_each_other(source, [*parts, (whole, file)])
            self._archive(source, whole, file, "post-data")

    def dump(self, source: Dump) -> None:
        if source.kind is DumpKind.SCRIPT:
            self._feed(self._psql(), lambda write: _script(source, write), source.path.name)
        elif not source.packed:
            pgtools.run(self._pg_restore(source.path, ""), env=self._environment())
        else:
            with source.open() as file:
                self._feed(
                    self._pg_restore(None, ""), lambda write: _copied(file, write, source), source.path.name
                )

    def _archive(self, source: Backup, payload: Payload, file: Path | None, section: str) -> None:
        if file is not None:
            pgtools.run(self._pg_restore(file, section), env=self._environment())
        else:
            self._feed(self._pg_restore(None, section), _pourer(source, payload), payload.file)

    def _beside_each_other(self, source: Backup, parts: Sequence[tuple[Payload, Path | None]]) -> None:
        children: list[Child] = []
        with ThreadPoolExecutor(self.how.jobs) as threads:

            def one(part: Payload, file: Path | None) -> None:
                argv = self._pg_restore(file, "data")
                self._feed(argv, None if file else _pourer(source, part), part.file, children)

            try:
                for done in [threads.submit(one, part, file) for part, file in parts]:
                    done.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                for child in children:
                    child.kill()
                raise

    def _feed(
        self, argv: list[str], pour: Pour | None, what: str, children: list[Child] | None = None
    ) -> None:
        """Run a program to its end, with ``pour`` writing its standard input."""
        with pgtools.running(argv, env=self._environment(), feed=pour is not None) as child:
            if children is not None:
                children.append(child)
            if pour is not None:
                try:
                    pour(_writer(child))
                    child.stdin.close()
                except BrokenPipeError:
                    child.finish()  # it tells why it stopped reading
                    raise ToolError(f"{child.name} stopped reading {what} before its end") from None
            child.finish()

    def _seekable(self, source: Backup, payload: Payload) -> Path:
        """The archive as a plain file of this machine: the very one, or an unpacked copy."""
        what = f"{source.where}/{payload.file}"
        if isinstance(source.store, LocalStore) and not payload.zstd and not payload.age:
            with source.store.open(source.entry.name, payload.file) as raw:
                archive.check_hash(raw, payload, what)
            return source.store.root / source.entry.name / payload.file
        folder = self.stack.enter_context(unpacking(self.how.room))
        file = folder / "archive"
        with source.store.open(source.entry.name, payload.file) as raw:
            archive.unpack(raw, payload, file, keys=source.keys, what=what)
        return file

    def _pg_restore(self, file: Path | None, section: str) -> list[str]:
        how = self.how
        jobs = how.jobs if section != "data" else 1
        return pgtools.restore_argv(
            how.tools,
            conninfo=make_conninfo("", dbname=name_of(self.copy)),
            archive=file,
            jobs=jobs,
            section=section,
            owners=how.owners,
        )

    def _psql(self) -> list[str]:
        return pgtools.script_argv(self.how.tools, conninfo=make_conninfo("", dbname=name_of(self.copy)))

    def _environment(self) -> dict[str, str]:
        given = self.copy.environment()
        # What is not whole is dropped: no commit of it needs to wait for the disk.
        return {**given, "PGOPTIONS": f"{given.get('PGOPTIONS', '')} -c synchronous_commit=off".strip()}


@contextmanager
def unpacking(room: Path) -> Generator[Path]:
    """A directory for unpacked files, gone with the block; what a killed run left there goes first."""
    room.mkdir(parents=True, exist_ok=True, mode=0o700)
    for leftover in room.iterdir():
        with suppress(Locked, OSError), filelock.hold_directory(leftover):
            shutil.rmtree(leftover)
    folder = Path(tempfile.mkdtemp(dir=room))
    try:
        with filelock.hold_directory(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pourer(source: Backup, payload: Payload) -> Pour:
    def pour(write: Callable[[bytes], object]) -> None:
        with source.store.open(source.entry.name, payload.file) as raw:
            archive.pour(raw, payload, write, keys=source.keys, what=f"{source.where}/{payload.file}")

    return pour


def _writer(child: Child) -> Callable[[bytes], object]:
    def write(block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # the pipe is not buffered: a write may take a part only
            rest = rest[child.stdin.write(rest) or 0 :]

    return write


def _copied(file: BinaryIO, write: Callable[[bytes], object], source: Dump) -> None:
    try:
        while block := file.read(_BLOCK_BYTES):
            write(block)
    except BrokenPipeError:
        raise
    except (OSError, EOFError, RedclustError) as error:
        raise ArtefactUnusable(f"{source.where} cannot be read to its end: {error}") from None


def _script(source: Dump, write: Callable[[bytes], object]) -> None:
    with source.open() as file:
        for line in file:
            if _CONNECT.match(line):
                raise Refused(
                    f"{source.where} changes to another database ({line.strip().decode(errors='replace')})",
                    hint="make the dump without --create (pg_dump -C)",
                )
            write(line)
