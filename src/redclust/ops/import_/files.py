"""``import FILE…``: each file in turn, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redclust.db import locks
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.dumps.read import Filters, ResumeMismatch
from redclust.errors import ArtefactUnusable
from redclust.ops.import_.one import FileResult, OneImport, Place
from redclust.ops.import_.reader import batches
from redclust.report import Progress, Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class ImportReport(Report):
    """What became of each file, or of each table of another database."""

    verb: ClassVar[str] = "import"
    files: tuple[FileResult, ...]

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        states = {one.state for one in self.files}
        if states & {"damaged", "unusable"}:
            return ArtefactUnusable.exit_code
        return 3 if "partial" in states else 0


def import_files(
    database: Database,
    paths: Sequence[Path | None],
    *,
    filters: Filters,
    batch_rows: int,
    rejects_dir: Path,
    progress: Progress,
) -> ImportReport:
    """Read each file (``None``: standard input) and merge its rows.

    Two files in either order, or one file twice, give the same database by natural keys. Memory is bounded
    by three batches; time is linear in the bytes read.

    Raises:
        Locked: another import works on this database.
    """
    results: list[FileResult] = []
    with (
        locks.hold(database.connector, LockName.IMPORT),
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        for path in paths:
            name = path.name if path else "standard input"
            size = path.stat().st_size if path else None
            with progress.task(f"import {name}", size, "bytes") as task:
                one = OneImport(connection, filters, rejects_dir, progress, task)
                results.append(_import(one, name, path, batch_rows))
        connection.execute(query("import", "analyze_imported"))
    return ImportReport(tuple(results))


def _import(one: OneImport, name: str, path: Path | None, batch_rows: int) -> FileResult:
    place = one.place(path) if path else Place()
    try:
        with batches(path, one.filters, resume=place.resume, batch_rows=batch_rows) as items:
            return one.run(name, items, place=place)
    except ResumeMismatch:
        # Its beginning is that of a dump seen before, but not all of it: it is read from its start.
        again = Place(place.identity)
        with batches(path, one.filters, resume=None, batch_rows=batch_rows) as items:
            return one.run(name, items, place=again)
