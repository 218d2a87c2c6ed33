"""``import --from-database``: the older system's tables into ours."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from redclust.db import locks, tombstones
from redclust.db.connect import Connection, Connector
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.dumps.read import Filters, Head, read_source
from redclust.dumps.source import Source
from redclust.errors import SchemaMismatch, UsageError
from redclust.ops.import_.files import ImportReport
from redclust.ops.import_.one import FileResult, OneImport, Place
from redclust.report import Progress
from redclust.sql import query
from redclust.store.names import Names, Table
from redclust.store.prepared import Prepared, prepared

_ROWS_AT_A_TIME = 20_000


def import_older_system(
    database: Database,
    source: Target,
    *,
    filters: Filters,
    batch_rows: int,
    rejects_dir: Path,
    progress: Progress,
) -> ImportReport:
    """Bring its rows over as of one moment: names, posts, comments and crawl jobs; the source is only read.

    Posts and comments pass the same checks and the same merge as a dump's, with ``last_seen`` as the time
    they were retrieved, so doing it twice changes nothing. With filters only the posts and comments that
    they let through are brought over, and what these refer to.

    Raises:
        SchemaMismatch: the source does not hold the older system's tables.
        UsageError: the source is the database itself.
        Locked: another import works on this database.
    """
    if source.parameters() == database.target.parameters():
        raise UsageError("--from-database names the database that is imported into")
    connector = Connector(source, database.connector.settings, "import from")
    with (
        locks.hold(database.connector, LockName.IMPORT),
        connector.connect(bulk=True) as old,
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        old.execute(query("older", "snapshot"))
        _require_older(old, source)
        results: list[FileResult] = []
        for table in ("posts", "comments"):
            with progress.task(f"import {table}", _one(old, f"{table}_bytes"), "bytes") as task:
                one = OneImport(connection, filters, rejects_dir, progress, task)
                if _one(old, f"has_{table}"):
                    results.append(
                        one.run(table, _read(old, table, source, filters, batch_rows), place=Place())
                    )
        if filters == Filters():
            results.append(_copied("subreddits", old, connection, "describe_subreddits", add="subreddits"))
            results.append(_copied("users", old, connection, None, add="users"))
            if _one(old, "has_jobs"):
                results.append(_copied("jobs", old, connection, "add_jobs", add=None))
        # Jobs of profiles, which no row stands for.
        tombstones.apply(connection)
        connection.execute(query("import", "analyze_imported"))
    return ImportReport(tuple(results))


class _CopyStream(io.RawIOBase):
    """What a COPY sends, as a stream of bytes."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = bytes(block)
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _read(
    old: Connection, table: str, source: Target, filters: Filters, batch_rows: int
) -> Iterator[Head | Prepared]:
    """A table's rows as a dump's; the same source and table is always the same 'file'."""
    with old.cursor().copy(query("older", table)) as copy:
        stream = io.BufferedReader(_CopyStream(iter(copy)), 1 << 20)
        items = read_source(Source(stream, table, None), filters=filters, batch_rows=batch_rows)
        for item in prepared(items):
            named = f"older system: {source.describe()} {table}"
            yield replace(item, fingerprint=named) if isinstance(item, Head) else item


def _copied(
    table: str, old: Connection, connection: Connection, statement: str | None, *, add: Table | None
) -> FileResult:
    """A small table's rows, by arrays of some thousands: names first, then what is known about them."""
    started = time.monotonic()
    read = added = 0
    with old.cursor(name=f"older_{table}") as cursor:
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(query("older", table))
        while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
            columns = [list(column) for column in zip(*rows, strict=True)]
            values = dict(zip(_COLUMNS[table], columns, strict=True))
            read += len(rows)
            with connection.transaction():
                if add is not None:
                    added += Names(connection).add(add, columns[0])
                if statement is not None:
                    changed = connection.execute(query("older", statement), values).rowcount
                    added += changed if add is None else 0
    duration_s = time.monotonic() - started
    return FileResult(
        table, table, "complete", added, rows_read=read, duration_s=duration_s, rows_per_s=read / duration_s
    )


_COLUMNS = {
    "subreddits": ("names", "titles", "descriptions", "subscribers", "created"),
    "users": ("names",),
    "jobs": ("names", "statuses", "priorities", "created", "completed"),
}


def _require_older(old: Connection, source: Target) -> None:
    row = old.execute(query("older", "tables")).fetchone() or (0, 0, 0)
    tables, ours, usernames = row
    if ours or tables < 4 or not usernames:
        raise SchemaMismatch(
            f"--from-database does not hold the older system's tables ({source.describe()})",
            hint="it needs subreddits, users with a username, posts and comments",
        )


def _one(connection: Connection, name: str) -> int:
    row = connection.execute(query("older", name)).fetchone()
    return int(row[0]) if row else 0
