"""``vacuum``: table by table, beside everybody who works with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.errors import Diagnostic

from redclust.db import holders, locks, watch
from redclust.db import tables as catalog
from redclust.db.connect import Connection
from redclust.db.holders import Holder
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.db.tables import Table
from redclust.errors import DatabaseUnreachable
from redclust.ops.vacuum.looking import Looker
from redclust.ops.vacuum.report import NOT_PERMITTED, TableVacuum, VacuumReport, outcome, planned
from redclust.ops.window import UP, Window, WindowClosed
from redclust.report import Progress, Task
from redclust.sql import query

#: How long to wait for an autovacuum to give way, which it does after deadlock_timeout (1 s).
_LOCK_WAIT_MS = 5_000


def vacuum(
    database: Database,
    names: Sequence[str],
    progress: Progress,
    *,
    dry_run: bool = False,
    max_duration_s: float | None = None,
    lock_wait_s: float = 0,
) -> VacuumReport:
    """Vacuum and analyze the named tables, or all with those of the system.

    Raises:
        UsageError: a name is not that of a table.
        DatabaseUnreachable: this role may vacuum nothing of it.
        Locked: a restore, a migration or other maintenance works on the database for longer than
            ``lock_wait_s``.
    """
    window = Window(max_duration_s)
    if dry_run:
        with database.connect(autocommit=True) as watcher:
            found = tuple(planned(one, names) for one in choose(watcher, names))
            return VacuumReport(watcher.info.dbname, True, found, (), window.passed_s)
    with locks.hold(
        database.connector, LockName.OPERATIONS, shared=True, wait_s=lock_wait_s, on_wait=progress.say
    ):
        return work(database, names, progress, window)


def work(database: Database, names: Sequence[str], progress: Progress, window: Window) -> VacuumReport:
    """The same for a caller who holds the lock of the operations."""
    with (
        database.connect(bulk=True, autocommit=True, role="work") as session,
        database.connect(autocommit=True) as watcher,
    ):
        chosen = choose(watcher, names)
        total = sum(one.size_bytes or 0 for one in chosen)
        with progress.task("vacuum", total=total, unit="bytes") as task:
            run = _Run(session, watcher, names, window, task)
            done = tuple(run.table(one) for one in chosen)
        held_back_by = tuple(run.held_back_by.values())
        return VacuumReport(watcher.info.dbname, False, done, held_back_by, window.passed_s)


def choose(watcher: Connection, names: Sequence[str]) -> list[Table]:
    """The tables to work on.

    Raises:
        UsageError: a name is not that of a table.
        DatabaseUnreachable: this role may vacuum none of the application's.
    """
    watcher.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": _LOCK_WAIT_MS})
    there = catalog.tables(watcher, catalogs=True)
    chosen = catalog.named(there, names) if names else there
    if not any(one.may_maintain for one in chosen if names or not one.catalog):
        raise DatabaseUnreachable(
            f"Permission denied by the database: {NOT_PERMITTED}",
            hint="run it as their owner, or (Postgres 17 and newer) GRANT pg_maintain TO this role",
        )
    return chosen


@dataclass(frozen=True, slots=True)
class _Warning:
    """What the server said beside the result, in its own language."""

    sqlstate: str
    text: str


@dataclass(slots=True)
class _Run:
    """One session that vacuums, and one that watches it."""

    session: Connection
    watcher: Connection
    names: Sequence[str]
    window: Window
    task: Task
    held_back_by: dict[tuple[str, int | None, str], Holder] = field(
        default_factory=dict[tuple[str, int | None, str], Holder]
    )

    def table(self, one: Table) -> TableVacuum:
        if not one.may_maintain:
            return planned(one, self.names)
        if self.window.closed:
            return outcome(one, "not started", UP)
        began_s = time.monotonic()
        try:
            return self._vacuumed(one, began_s)
        except WindowClosed:
            return outcome(one, "stopped", UP, began_s=began_s)
        except pg.QueryCanceled as error:
            return outcome(one, "stopped", _line(error), began_s=began_s)
        except (pg.LockNotAvailable, pg.UndefinedTable, pg.InsufficientPrivilege) as error:
            return outcome(one, "skipped", _line(error), self._in_the_way(one), began_s=began_s)

    def _vacuumed(self, one: Table, began_s: float) -> TableVacuum:
        began_at = datetime.now(UTC)
        told: list[_Warning] = []

        def hear(diagnostic: Diagnostic) -> None:
            # Read now: the server's answer that it points to is gone afterwards.
            told.append(_Warning(diagnostic.sqlstate or "", diagnostic.message_primary or ""))

        self.session.add_notice_handler(hear)
        try:
            in_the_way = self._vacuum(one, told)
        finally:
            self.session.remove_notice_handler(hear)
        if _passed_by(told):
            return outcome(one, "skipped", "locked by another session", in_the_way, began_s=began_s)
        after = catalog.table(self.watcher, one.oid)
        # Warnings are in the server's language: the work was done if the server counted it.
        if told and (after is None or after.vacuums == one.vacuums):
            reason = " / ".join(warning.text for warning in told)
            return outcome(one, "skipped", reason, began_s=began_s)
        if after is not None and after.dead_rows and not one.catalog:
            self._find_holders(began_at)
        return outcome(one, "done", after=after, began_s=began_s)

    def _vacuum(self, one: Table, told: list[_Warning]) -> tuple[Holder, ...]:
        """Who was in the way, if somebody was: then nothing was done."""
        self._execute(one, "vacuum_analyze")
        if not _passed_by(told):
            return ()
        in_the_way = self._in_the_way(one)
        if in_the_way and all(holder.kind == "autovacuum" for holder in in_the_way):
            told.clear()
            self.session.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": _LOCK_WAIT_MS})
            self._execute(one, "vacuum_analyze_waiting")
        return in_the_way

    def _execute(self, one: Table, statement: str) -> None:
        composed = sql.SQL(query("vacuum", statement)).format(table=one.identifier)
        looker = Looker(self.session, self.watcher, self.window, self.task, one)
        watch.run(self.session, composed, looker.look)
        looker.finish()

    def _in_the_way(self, one: Table) -> tuple[Holder, ...]:
        return holders.of_relation(self.watcher, one.oid)

    def _find_holders(self, began_at: datetime) -> None:
        """A transaction that began after the vacuum did has kept nothing from it."""
        for holder in holders.of_snapshots(self.watcher, own=[self.session.info.backend_pid]):
            if holder.since is None or holder.since < began_at:
                self.held_back_by[holder.kind, holder.pid, holder.name] = holder


def _passed_by(told: Sequence[_Warning]) -> bool:
    return any(one.sqlstate == pg.LockNotAvailable.sqlstate for one in told)


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
