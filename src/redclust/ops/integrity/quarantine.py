"""``integrity quarantine``: what was removed or changed, put back exactly, or dropped for good."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.db import locks, tombstones
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.report import Progress, Report, Task
from redclust.sql import query

_BATCH_ROWS = 1000
#: By which columns a changed row is found again, where it is not its id.
KEYS = {"imported_interactions": ("file_id", "user_id", "subreddit_id")}
#: How many rows that could not be put back a report names.
_NAMED_REFUSALS = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one table, taken or changed for one reason."""

    table: str
    reason: str
    removed_rows: int
    changed_rows: int


@dataclass(frozen=True, slots=True)
class Run:
    """One clean and what is left of it; without an end it was killed, or is at work."""

    id: int
    started_at: datetime
    finished_at: datetime | None
    types: tuple[str, ...]
    kept: tuple[Kept, ...]

    @property
    def rows(self) -> int:
        return sum(one.removed_rows + one.changed_rows for one in self.kept)


@dataclass(frozen=True, slots=True)
class QuarantineReport(Report):
    """The runs whose rows are in the quarantine, the newest first."""

    verb: ClassVar[str] = "integrity.quarantine.ls"
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class RestoreReport(Report):
    """What was put back; not ok when rows stayed in the quarantine, ``refused`` says why of the first."""

    verb: ClassVar[str] = "integrity.quarantine.restore"
    run_id: int
    restored_rows: int
    left_rows: int
    refused: tuple[str, ...]
    duration_s: float

    @property
    def ok(self) -> bool:
        return not self.left_rows


@dataclass(frozen=True, slots=True)
class DropReport(Report):
    """The runs whose rows are gone for good; their size before."""

    verb: ClassVar[str] = "integrity.quarantine.drop"
    dry_run: bool
    before: datetime
    runs: tuple[int, ...]
    rows: int
    size_bytes: int


def ls(database: Database) -> QuarantineReport:
    """List the runs; one look at every row of the quarantine."""
    found: dict[int, Run] = {}
    with database.connect(bulk=True, autocommit=True) as connection:
        for run_id, *run, table, reason, removed, changed in connection.execute(query("quarantine", "runs")):
            known = found.setdefault(run_id, Run(run_id, run[0], run[1], tuple(run[2]), ()))
            if table is not None:
                kept = Kept(table, reason, removed, changed)
                found[run_id] = replace(known, kept=(*known.kept, kept))
    return QuarantineReport(tuple(found.values()))


def restore(database: Database, run_id: int, progress: Progress, *, lock_wait_s: float = 0) -> RestoreReport:
    """Put the rows of a run back as they were, the last one first; they leave the quarantine.

    A row whose key has been taken meanwhile, or whose column has been written since, stays where it is; so
    does one that breaks a foreign key, unless this role may pass these by.
    Linear in the rows.

    Raises:
        UsageError: the quarantine holds nothing of that run.
        Locked: other maintenance works on the database for longer than ``lock_wait_s``.
    """
    started_s = time.monotonic()
    with (
        locks.hold(database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say),
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        last = _one(connection, "last_number", {"run_id": run_id})
        if last is None:
            raise UsageError(
                f"the quarantine holds nothing of run {run_id}", hint="redclust integrity quarantine ls"
            )
        with progress.task("restoring", total=last, unit="rows") as task:
            undo = _Undo(connection, run_id, task)
            # A row may have been changed and then removed: what is refused now may be possible later.
            while undo.through(last):
                pass
        # What was deleted on Reddit meanwhile stays deleted.
        tombstones.apply(connection)
        connection.execute(query("quarantine", "forget_empty_runs"))
        left = _one(connection, "rows_left", {"run_id": run_id}) or 0
    duration_s = round(time.monotonic() - started_s, 3)
    refused = tuple(undo.refused.values())[:_NAMED_REFUSALS]
    return RestoreReport(run_id, undo.restored_rows, left, refused, duration_s)


def drop(database: Database, older_than_s: float, progress: Progress, *, dry_run: bool) -> DropReport:
    """Give up what runs removed that began so long ago; it cannot be put back after that."""
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    with database.connect(bulk=True, autocommit=True) as connection:
        found = connection.execute(query("quarantine", "runs_before"), {"before": before}).fetchall()
        rows, size_bytes = sum(row[2] for row in found), sum(row[3] for row in found)
        if not dry_run:
            with progress.task("dropping", total=len(found), unit="runs") as task:
                for run_id, *_ in found:
                    connection.execute(query("quarantine", "drop_run"), {"run_id": run_id})
                    task.advance(1)
            connection.execute(query("quarantine", "forget_empty_runs"))
            connection.execute(query("quarantine", "vacuum_quarantine"))
    return DropReport(dry_run, before, tuple(row[0] for row in found), rows, size_bytes)


class _Undo:
    """Works a run off from its end, a stretch of numbers a transaction."""

    def __init__(self, connection: Connection, run_id: int, task: Task) -> None:
        self._connection, self._run_id, self._task = connection, run_id, task
        self.restored_rows = 0
        self.refused: dict[int, str] = {}

    def through(self, last: int) -> bool:
        """One pass; whether it put something back while something else was refused."""
        before, self.refused = self.restored_rows, {}
        for upto in range(last, 0, -_BATCH_ROWS):
            first = max(1, upto - _BATCH_ROWS + 1)
            values = {"run_id": self._run_id, "first": first, "last": upto}
            with self._connection.transaction():
                with suppress(pg.InsufficientPrivilege), self._connection.transaction():
                    self._connection.execute(query("quarantine", "pass_by_keys"))
                kinds = self._connection.execute(query("quarantine", "kinds"), values).fetchall()
                for table, column, n in kinds:
                    self._kind({**values, "table": table, "column": column}, n)
            self._task.advance(upto - first + 1)
        return bool(self.refused) and self.restored_rows > before

    def _kind(self, values: dict[str, object], n: int) -> None:
        """All of one kind at once; one by one where that is refused, to know which."""
        statement = self._statement(values, n)
        try:
            with self._connection.transaction():
                self.restored_rows += self._connection.execute(statement, values).rowcount
        except pg.IntegrityError:
            for (number,) in self._connection.execute(query("quarantine", "numbers"), values).fetchall():
                self._single(statement, {**values, "first": number, "last": number}, number)
            return
        if values["column"] is not None:
            for (number,) in self._connection.execute(query("quarantine", "numbers"), values).fetchall():
                self.refused[number] = f"{values['table']}: {values['column']} has been written since"

    def _single(self, statement: sql.Composed, values: dict[str, object], number: int) -> None:
        try:
            with self._connection.transaction():
                self.restored_rows += self._connection.execute(statement, values).rowcount
        except psycopg.IntegrityError as error:
            self.refused[number] = " ".join(str(error).split())

    def _statement(self, values: dict[str, object], n: int) -> sql.Composed:
        table = sql.Identifier(str(values["table"]))
        if values["column"] is not None:
            key = KEYS.get(str(values["table"]), ("id",))
            names = {
                "key": sql.Composed([sql.Identifier("t", name) for name in key]).join(", "),
                "left_key": sql.Composed([sql.Identifier("left_as", name) for name in key]).join(", "),
            }
            column = sql.Identifier(str(values["column"]))
            return sql.SQL(query("quarantine", "change_back")).format(table=table, column=column, **names)
        names = self._connection.execute(query("quarantine", "columns"), {"run_id": self._run_id, "n": n})
        columns = sql.Composed([sql.Identifier(str(name)) for (name,) in names]).join(", ")
        return sql.SQL(query("quarantine", "put_back")).format(table=table, columns=columns)


def _one(connection: Connection, name: str, values: dict[str, int]) -> int | None:
    row = connection.execute(query("quarantine", name), values).fetchone()
    return row[0] if row else None
