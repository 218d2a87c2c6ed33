"""The dump at work: one pg_dump or several, and beside them the same snapshot's rows are counted."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from redclust import duration
from redclust.config import BackupSettings
from redclust.db.connect import Connection, Connector
from redclust.errors import ToolError
from redclust.ops.backup import dump, facts, failures, lint, watch
from redclust.ops.backup.dump import Children, Encoding, Piece
from redclust.ops.backup.facts import Facts
from redclust.ops.backup.lint import Finding
from redclust.ops.backup.manifest import Payload, Table
from redclust.ops.backup.store import Draft
from redclust.pgtools import Tools
from redclust.report import Progress


@dataclass(frozen=True, slots=True)
class Counted:
    """What the scans beside the dump found."""

    tables: tuple[Table, ...]
    orphans: tuple[Finding, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dumped:
    """The files of the dump; ``warnings`` are pg_dump's own."""

    payloads: tuple[Payload, ...]
    counted: Counted
    warnings: tuple[str, ...]
    dump_s: float


@dataclass(frozen=True, slots=True)
class Dumping:
    """What every pg_dump of one backup needs."""

    connector: Connector
    settings: BackupSettings
    tools: Tools
    encoding: Encoding
    found: Facts
    draft: Draft

    def run(self, pieces: list[Piece], session: Connection, progress: Progress, *, jobs: int) -> Dumped:
        """Dump all pieces, ``jobs`` at a time, while ``session``, which has the snapshot, counts.

        When one of them fails all are ended, and the first one's error is told.

        Raises:
            Locked: a table is locked by another session.
            ToolError: pg_dump failed.
            DatabaseUnreachable: the server went away, or rights are missing.
        """
        started_s = time.monotonic()
        children, errors = Children(), list[BaseException]()

        def note(done: Future[Any]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                errors.append(error)
                children.end()

        with (
            progress.task("dump", unit="bytes") as task,
            watch.watching(self.connector, self.found.tables, task),
            ThreadPoolExecutor(max(1, jobs)) as threads,
        ):
            try:
                counting = threads.submit(_count, session, self.found)
                others = [threads.submit(self._write, piece, children) for piece in pieces[1:]]
                for future in (counting, *others):
                    future.add_done_callback(note)
                written = [self._write(pieces[0], children), *(other.result() for other in others)]
                counted = counting.result()
            except BaseException as error:
                # Ending the others makes errors of its own.
                first = errors[0] if errors else error
                children.end()
                threads.shutdown(wait=False, cancel_futures=True)
                with suppress(psycopg.Error):
                    session.cancel_safe(timeout=5)
                if not isinstance(error, Exception):
                    raise
                raise (failures.told(first) if isinstance(first, ToolError) else first) from None
        payloads, warnings = zip(*written, strict=True)
        told = tuple(line for text in warnings for line in text.splitlines() if line.strip())
        return Dumped(tuple(payloads), counted, told, time.monotonic() - started_s)

    def _write(self, piece: Piece, children: Children) -> tuple[Payload, str]:
        return dump.write(
            self.draft,
            piece,
            self.tools,
            snapshot=self.found.snapshot,
            lock_wait_s=duration.seconds(self.settings.table_lock_wait),
            env=self.connector.environment(),
            encoding=self.encoding,
            children=children,
        )


def _count(session: Connection, found: Facts) -> Counted:
    tables = tuple(table.counted(facts.count(session, table)) for table in found.tables)
    orphans, skipped = lint.orphans(session)
    return Counted(tables, tuple(orphans), tuple(skipped))
