"""One file's import: its batches, its checkpoints, its rejects, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import orjson

from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.dumps.batches import Checkpoint
from redclust.dumps.kinds import Kind
from redclust.dumps.read import Filters, Head, ResumeMismatch, begins_with, fingerprint
from redclust.dumps.rejects import RejectsFile
from redclust.errors import ArtefactUnusable, UsageError
from redclust.report import Progress, Task
from redclust.sql import query
from redclust.store.prepared import Prepared
from redclust.store.writer import Writer, Written


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file: ``state`` is complete, partial (rejects), damaged (truncated or corrupt) or unusable.

    ``added_rows``, ``replaced_rows`` and the speed are those of this run; the other counts are those of the
    whole file, earlier runs that were killed included.
    """

    name: str
    kind: str
    state: str
    added_rows: int = 0
    replaced_rows: int = 0
    rows_read: int = 0
    rows_filtered: int = 0
    rows_rejected: int = 0
    rejects_file: str | None = None
    resumed_at_line: int = 0
    duration_s: float = 0.0
    rows_per_s: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """As which file an import is written down (empty: by its head's fingerprint), and where it goes on."""

    identity: str = ""
    resume: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What an earlier import of the same beginning left behind."""

    id: int
    identity: str
    filters: str
    kind: str
    state: str
    checkpoint: Checkpoint
    rejects: Path
    rejects_bytes: int

    def resume(self, filters: str) -> Checkpoint | None:
        """Where it was killed or met damage; None where it is to be read from its start."""
        if self.filters != filters or self.state not in ("running", "damaged") or not self.checkpoint.line:
            return None
        # The first part's rejects are gone: read it again rather than lose them.
        return None if self.rejects_bytes and not self.rejects.is_file() else self.checkpoint


@dataclass(frozen=True, slots=True)
class _Begun:
    """Where a begun import is written down: its row, the row its pairs count under, its rejects."""

    id: int
    counted_as: int
    rejects: RejectsFile


class OneImport:
    """Imports files one after the other on one connection (autocommit: each batch is a transaction)."""

    def __init__(
        self, connection: Connection, filters: Filters, rejects_dir: Path, progress: Progress, task: Task
    ) -> None:
        self._connection = connection
        # Until the session ends: names are looked up once and remembered.
        connection.execute(
            query("db", "lock_references_shared"), {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
        )
        self._writer = Writer(connection)
        self._rejects_dir = rejects_dir
        self._progress = progress
        self._task = task
        self.filters = filters

    def place(self, path: Path) -> Place:
        """Whether this file, with these filters, has been imported before, and how far.

        Files may share their beginning. Rows of dumps say themselves what they are; of interactions a file
        counts as one seen before only if all that was read of that one is in it, which costs a
        decompression.
        """
        try:
            start = fingerprint(path)
        except ArtefactUnusable:
            return Place()  # the reading itself will say what is wrong
        seen = self._earlier(start)
        for earlier in seen:
            if earlier.kind != Kind.INTERACTIONS.value or begins_with(path, earlier.checkpoint):
                return Place(earlier.identity, earlier.resume(_key(self.filters)))
        return Place(f"{start}-{len({e.identity for e in seen}) + 1}" if seen else start)

    def run(self, name: str, items: Iterator[Head | Prepared], *, place: Place) -> FileResult:
        """Write a head's batches to the end of the file, however it ends.

        Raises:
            ResumeMismatch: the file is not the one of the checkpoint; nothing has been written.
        """
        started = time.monotonic()
        resumed = place.resume
        head: Head | None = None
        begun: _Begun | None = None
        written, rows, problem = Written(), 0, ""
        told_bytes = resumed.read_bytes if resumed else 0
        self._task.advance(told_bytes)
        try:
            for item in items:
                if isinstance(item, Head):
                    head, begun = item, self._begin(name, item, place)
                elif begun is not None:
                    written += self._write(begun, item)
                    rows += item.batch.rows_read
                    self._task.advance(item.batch.checkpoint.read_bytes - told_bytes)
                    told_bytes = item.batch.checkpoint.read_bytes
                    self._task.note(f"{rows:,} rows, {rows / (time.monotonic() - started):,.0f}/s")
        except ResumeMismatch:
            raise
        except (ArtefactUnusable, UsageError) as error:
            # Also a filter that this kind of file has no column for: the other files are read all the same.
            problem = str(error)
        duration_s = time.monotonic() - started
        if head is None or begun is None:
            return FileResult(name, "", "unusable", duration_s=duration_s, problem=problem)
        state, counts = self._end(begun, "damaged" if problem else "complete")
        return FileResult(
            name,
            head.kind.value,
            state,
            written.added,
            written.replaced,
            *counts,
            rejects_file=str(begun.rejects.path) if counts[2] else None,
            resumed_at_line=resumed.line if resumed else 0,
            duration_s=duration_s,
            rows_per_s=rows / duration_s,
            problem=problem,
        )

    def _earlier(self, start: str) -> list[_Earlier]:
        """Imports of files that begin like this one, those with these filters first."""
        values = {"fingerprint": start, "filters": _key(self.filters)}
        return [
            _Earlier(row[0], row[1], row[2], row[3], row[4], Checkpoint(*row[5:9]), Path(row[9]), row[10])
            for row in self._connection.execute(query("import", "find_files"), values)
        ]

    def _begin(self, name: str, head: Head, place: Place) -> _Begun:
        content = place.identity or head.fingerprint
        same = (content, _key(self.filters))
        earlier = next((e for e in self._earlier(head.fingerprint) if (e.identity, e.filters) == same), None)
        if place.resume is not None and earlier is not None:
            rejects, identity = RejectsFile(earlier.rejects), earlier.id
            rejects.truncate_to(earlier.rejects_bytes)
            self._progress.say(f"{name}: goes on after line {place.resume.line:,}")
        else:
            # Two runs may begin within a second: each has its own file.
            stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
            plain = name.replace(" ", "_").replace("/", "_")
            rejects = RejectsFile(self._rejects_dir / f"{plain}-{stamp}-{token_hex(3)}.jsonl")
            values = {
                "fingerprint": content,
                "filters": _key(self.filters),
                "name": name,
                "kind": head.kind.value,
                "rejects_path": str(rejects.path),
            }
            identity = _one(self._connection.execute(query("import", "begin_file"), values).fetchone())
        values = {"fingerprint": content}
        first = self._connection.execute(query("import", "interactions_file"), values).fetchone()
        return _Begun(identity, _one(first), rejects)

    def _write(self, begun: _Begun, prepared: Prepared) -> Written:
        """One batch and its checkpoint in one transaction; its rejects are on disk before."""
        batch = prepared.batch
        begun.rejects.append(batch.rejects)
        rejects_bytes = begun.rejects.sync()
        with self._connection.transaction():
            # Rows and checkpoint are lost or kept together; the end of the file makes all of them durable.
            self._connection.execute(query("import", "commit_without_waiting"))
            written = self._writer.write(prepared, file_id=begun.counted_as)
            self._connection.execute(
                query("import", "checkpoint_file"),
                {
                    "id": begun.id,
                    "offset_bytes": batch.checkpoint.offset_bytes,
                    "line": batch.checkpoint.line,
                    "crc32": batch.checkpoint.crc32,
                    "read_bytes": batch.checkpoint.read_bytes,
                    "rows_read": batch.rows_read,
                    "rows_filtered": batch.rows_filtered,
                    "rows_rejected": len(batch.rejects),
                    "rejects_bytes": rejects_bytes,
                },
            )
        return written

    def _end(self, begun: _Begun, state: str) -> tuple[str, tuple[int, int, int]]:
        begun.rejects.close()
        values = {"id": begun.id, "state": state}
        row = self._connection.execute(query("import", "end_file"), values).fetchone()
        if row is None:
            raise RuntimeError(f"the row of import {begun.id} is gone")
        return row[3], (row[0], row[1], row[2])


def _key(filters: Filters) -> str:
    """The filters as text, equal for equal filters: a file read with others is another import."""
    subreddits = sorted(filters.subreddits) if filters.subreddits is not None else None
    return orjson.dumps([subreddits, filters.since, filters.until]).decode()


def _one(row: tuple[int, ...] | None) -> int:
    if row is None:
        raise RuntimeError("a statement that always returns a row returned none")
    return row[0]
