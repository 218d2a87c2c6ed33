"""``vacuum --full``: tables written anew, everybody kept out of one at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg import errors as pg
from psycopg import sql

from redclust.db import disk, history, holders, locks
from redclust.db import tables as catalog
from redclust.db.connect import Connection
from redclust.db.holders import Holder
from redclust.db.locks import LockName
from redclust.db.patience import GaveUp, Patience
from redclust.db.session import Database
from redclust.db.tables import Table
from redclust.ops.integrity import relations
from redclust.ops.vacuum.looking import Looker
from redclust.ops.vacuum.plain import choose
from redclust.ops.vacuum.report import FullPlan, State, TableVacuum, VacuumReport, outcome, planned
from redclust.ops.window import UP, Window, WindowClosed
from redclust.report import Progress, Task
from redclust.sql import query

_VERB = "vacuum.full"
#: Written anew in a second where no earlier run has measured it: a slow disk's share of reading and writing.
_BYTES_PER_S = 40 * 1024 * 1024


def plan(database: Database, names: Sequence[str]) -> VacuumReport:
    """What would be locked, how much space it needs and about how long it takes; changes nothing.

    Raises:
        UsageError: a name is not that of a table.
        DatabaseUnreachable: this role may vacuum nothing of it.
    """
    window = Window()
    with database.connect(autocommit=True) as watcher:
        plans = _plans(watcher, names)
        tables = tuple(
            replace(planned(one, names), full=plan) if one.may_maintain else planned(one, names)
            for one, plan in plans
        )
        return VacuumReport(
            database=watcher.info.dbname,
            dry_run=True,
            tables=tables,
            held_back_by=(),
            duration_s=window.passed_s,
            full=True,
            free_disk_bytes=disk.free_bytes(watcher, database.target),
            connected=holders.others(watcher),
        )


def full(
    database: Database,
    names: Sequence[str],
    progress: Progress,
    *,
    wait_s: float,
    max_duration_s: float | None = None,
    lock_wait_s: float = 0,
) -> VacuumReport:
    """Write the named tables anew, or all of the application.

    The smallest goes first: each gives space to the next. One is begun only where its space is free and the
    time is likely to suffice. For its lock ``wait_s`` are waited, never in front of readers for longer than a
    second.

    Raises:
        UsageError: a name is not that of a table.
        DatabaseUnreachable: this role may vacuum nothing of it.
        Locked: other maintenance, a backup or a restore works on the database for longer than
            ``lock_wait_s``.
    """
    window = Window(max_duration_s)
    started_at = datetime.now(UTC)
    with (
        locks.hold(database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say),
        database.connect(bulk=True, autocommit=True, role="work") as session,
        database.connect(autocommit=True) as watcher,
    ):
        plans = _plans(watcher, names)
        total = sum(one.size_bytes or 0 for one, _ in plans)
        with progress.task("vacuum full", total=total, unit="bytes") as task:
            run = _Run(database, session, watcher, names, window, wait_s, progress, task)
            done = tuple(run.table(one, plan) for one, plan in plans)
        report = VacuumReport(
            database=watcher.info.dbname,
            dry_run=False,
            tables=done,
            held_back_by=(),
            duration_s=window.passed_s,
            full=True,
            free_disk_bytes=disk.free_bytes(watcher, database.target),
            connected=(),
        )
        _remember(watcher, report, started_at)
        return report


def _plans(watcher: Connection, names: Sequence[str]) -> list[tuple[Table, FullPlan]]:
    chosen = [one for one in choose(watcher, names) if names or not one.catalog]
    new_bytes: dict[int, int] = defaultdict(int)
    for one in relations.read(watcher):
        wasted, _ = relations.estimated_waste(one)
        new_bytes[one.table_oid] += one.size_bytes - (wasted or 0)
    per_s = _measured_bytes_per_s(watcher)
    plans = [(one, _plan(watcher, one, new_bytes.get(one.oid), per_s)) for one in chosen]
    return plans if names else sorted(plans, key=lambda pair: pair[1].needed_bytes or 0)


def _plan(watcher: Connection, one: Table, new_bytes: int | None, per_s: float | None) -> FullPlan:
    if one.size_bytes is None:
        return FullPlan(None, None, per_s is not None, holders.of_relation(watcher, one.oid, strong=False))
    new_bytes = one.size_bytes if new_bytes is None else min(new_bytes, one.size_bytes)
    row = watcher.execute(query("vacuum", "file_of_table"), {"relation": one.oid}).fetchone()
    logged_bytes = min(new_bytes, row[1]) if row else 0
    return FullPlan(
        needed_bytes=new_bytes + logged_bytes,
        expected_s=(one.size_bytes + new_bytes) / 2 / (per_s or _BYTES_PER_S),
        measured=per_s is not None,
        connected=holders.of_relation(watcher, one.oid, strong=False),
    )


def _measured_bytes_per_s(watcher: Connection) -> float | None:
    last = history.newest(watcher, _VERB)
    return float(last[0].figures["bytes_per_s"]) if last else None


@dataclass(slots=True)
class _Run:
    """One session that writes, and one that watches it."""

    database: Database
    session: Connection
    watcher: Connection
    names: Sequence[str]
    window: Window
    wait_s: float
    progress: Progress
    task: Task

    def table(self, one: Table, plan: FullPlan) -> TableVacuum:
        if not one.may_maintain:
            return planned(one, self.names)
        lacks = UP if self.window.closed else self._lacks(plan)
        if lacks:
            return outcome(one, "not started", lacks)
        before, began_s = self._file(one), time.monotonic()
        state, reason, in_the_way = self._write(one)
        if state != "done":
            return outcome(one, state, reason, in_the_way, began_s=began_s)
        if self._file(one) == before:
            return outcome(one, "skipped", "the server did not write it anew", began_s=began_s)
        return outcome(one, "done", after=catalog.table(self.watcher, one.oid), began_s=began_s)

    def _write(self, one: Table) -> tuple[State, str, tuple[Holder, ...]]:
        looker = Looker(self.session, self.watcher, self.window, self.task, one)
        patience = Patience(self.session, self.watcher, self.wait_s, self.progress.say, looker.look)
        statement = sql.SQL(query("vacuum", "vacuum_full")).format(table=one.identifier)
        try:
            patience.run_exclusively(statement, one.oid)
        except GaveUp as error:
            return "skipped", f"{error} for others to leave it", error.in_the_way
        except WindowClosed:
            return "stopped", f"{UP}; it is as it was", ()
        except (pg.QueryCanceled, pg.DiskFull) as error:
            return "stopped", f"{_line(error)}; it is as it was", ()
        except (pg.UndefinedTable, pg.InsufficientPrivilege) as error:
            return "skipped", _line(error), ()
        looker.finish()
        return "done", "", ()

    def _lacks(self, plan: FullPlan) -> str:
        free_bytes = disk.free_bytes(self.watcher, self.database.target)
        needed_bytes = plan.needed_bytes or 0
        if free_bytes is not None and needed_bytes > free_bytes:
            return f"it needs about {needed_bytes} bytes of disk, {free_bytes} are free"
        left_s, expected_s = self.window.left_s, plan.expected_s or 0.0
        if left_s is not None and expected_s > left_s:
            return f"it takes about {expected_s:.0f}s, {left_s:.0f}s of --max-duration are left"
        return ""

    def _file(self, one: Table) -> int | None:
        row = self.watcher.execute(query("vacuum", "file_of_table"), {"relation": one.oid}).fetchone()
        return row[0] if row else None


def _remember(watcher: Connection, report: VacuumReport, started_at: datetime) -> None:
    """How fast it was, for the next preview; of short work nothing can be learned."""
    done = [one for one in report.tables if one.state == "done"]
    moved = sum(((one.size_bytes_before or 0) + (one.size_bytes_after or 0)) / 2 for one in done)
    took_s = sum(one.duration_s for one in done)
    if took_s < 1:
        return
    figures = {"tables": len(done), "bytes_per_s": moved / took_s, "seconds": took_s}
    try:
        verdict = "ok" if report.ok else "partial"
        history.record(watcher, _VERB, started_at=started_at, verdict=verdict, figures=figures)
    except pg.InsufficientPrivilege:
        return


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
