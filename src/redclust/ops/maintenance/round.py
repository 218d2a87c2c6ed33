"""``maintenance``: all that a database wants done now and then, in the order that needs one pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from psycopg import errors as pg

from redclust.config import Loaded
from redclust.db import history, locks
from redclust.db.failures import in_words
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.duration import seconds, words
from redclust.errors import RedclustError, Refused
from redclust.ops import backup, integrity, jobs, reindex, vacuum
from redclust.ops.backup import TidyReport
from redclust.ops.integrity import BloatReport, DropReport
from redclust.ops.jobs import ClearReport
from redclust.ops.maintenance.report import Figures, MaintenanceReport, Part, State
from redclust.ops.reindex import Leftover, ReindexReport
from redclust.ops.vacuum import VacuumReport
from redclust.ops.window import UP, Window
from redclust.report import Progress
from redclust.sql import query

#: How long one index may wait for older transactions.
_INDEX_WAIT_S = 600.0
_LEFTOVER_WAIT_S = 60.0


def maintenance(
    database: Database,
    loaded: Loaded,
    progress: Progress,
    *,
    dry_run: bool = False,
    max_duration_s: float | None = None,
    lock_wait_s: float = 0,
) -> MaintenanceReport:
    """Do every part, one after the other; one that fails does not keep the next ones from being done.

    Raises:
        Locked: a backup, a restore, a migration or other maintenance works on the database for longer than
            ``lock_wait_s``.
    """
    window, started_at = Window(max_duration_s), datetime.now(UTC)
    round_ = _Round(database, loaded, progress, window, dry_run)
    if dry_run:
        return round_.through()
    with locks.hold(database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say):
        report = round_.through()
    _record(database, report, started_at)
    return report


@dataclass(slots=True)
class _Round:
    """The parts, and what they have come to so far."""

    database: Database
    loaded: Loaded
    progress: Progress
    window: Window
    dry_run: bool
    parts: list[Part] = field(default_factory=list[Part])
    leftovers: tuple[Leftover, ...] = ()
    jobs: ClearReport | None = None
    quarantine: DropReport | None = None
    vacuumed: VacuumReport | None = None
    bloat: BloatReport | None = None
    reindexed: ReindexReport | None = None
    tidied: TidyReport | None = None

    def through(self) -> MaintenanceReport:
        before = self._figures()
        # What is deleted first is made reusable by the vacuum, and what that frees in indexes is seen then.
        self._part("leftovers", self._sweep)
        self._part("old jobs", self._clear_jobs)
        self._part("quarantine", self._drop_quarantine)
        self._part("vacuum", self._vacuum)
        self._part("bloat", self._look_for_bloat)
        self._part("indexes", self._reindex)
        self._part("backups", self._tidy)
        return MaintenanceReport(
            database=self.database.name(),
            dry_run=self.dry_run,
            parts=tuple(self.parts),
            before=before,
            after=None if self.dry_run else self._figures(),
            leftovers=self.leftovers,
            jobs=self.jobs,
            quarantine=self.quarantine,
            vacuum=self.vacuumed,
            bloat=self.bloat,
            reindex=self.reindexed,
            backups=self.tidied,
            duration_s=self.window.passed_s,
        )

    def _part(self, name: str, work: Callable[[], tuple[State, str]]) -> None:
        if self.window.closed:
            self.parts.append(Part(name, "not started", UP, 0.0))
            return
        began_s = time.monotonic()
        try:
            state, told = work()
        except Refused as error:
            state, told = "held", str(error)
        except RedclustError as error:
            state, told = "failed", f"{error}{'; ' + error.hint if error.hint else ''}"
        except psycopg.Error as error:
            state, told = "failed", str(in_words(error) or " ".join(str(error).split()))
        if self.dry_run and state == "done":
            state = "planned"
        self.parts.append(Part(name, state, told, time.monotonic() - began_s))

    def _sweep(self) -> tuple[State, str]:
        found = reindex.clear_away(
            self.database, self.progress, wait_s=_LEFTOVER_WAIT_S, dry_run=self.dry_run
        )
        self.leftovers = tuple(found)
        gone = sum(one.state in ("dropped", "planned") for one in found)
        left = sum(one.state == "left" for one in found)
        told = f"{gone} indexes of dead rebuilds" + (f", {left} could not go" if left else "")
        return ("partial" if left else "done"), told

    def _clear_jobs(self) -> tuple[State, str]:
        older_than_s = seconds(self.loaded.settings.maintenance.keep_jobs)
        self.jobs = jobs.clear(self.database, status=None, older_than_s=older_than_s, dry_run=self.dry_run)
        return (
            "done",
            f"{sum(self.jobs.cleared.values())} jobs that ended {words(older_than_s)} ago or earlier",
        )

    def _drop_quarantine(self) -> tuple[State, str]:
        older_than_s = seconds(self.loaded.settings.maintenance.keep_quarantine)
        self.quarantine = integrity.drop_quarantine(
            self.database, older_than_s, self.progress, dry_run=self.dry_run
        )
        return "done", f"{self.quarantine.rows} rows that clean took out {words(older_than_s)} ago or earlier"

    def _vacuum(self) -> tuple[State, str]:
        if self.dry_run:
            self.vacuumed = vacuum.vacuum(self.database, (), self.progress, dry_run=True)
            return "done", f"{len(self.vacuumed.tables)} tables"
        self.vacuumed = vacuum.work(self.database, (), self.progress, self.window)
        done = sum(one.state == "done" for one in self.vacuumed.tables)
        told = f"{done} of {len(self.vacuumed.tables)} tables"
        return ("done" if self.vacuumed.ok else "partial"), told

    def _look_for_bloat(self) -> tuple[State, str]:
        settings = self.loaded.settings.maintenance
        left_s = self.window.left_s
        budget_s = settings.bloat_budget_s if left_s is None else min(settings.bloat_budget_s, left_s)
        self.bloat = integrity.bloat(self.database, settings, (), self.progress, budget_s=budget_s)
        bloated = [one for one in self.bloat.relations if one.verdict == "bloated"]
        # An index is built anew by the next part; a table is made smaller by a person who says when.
        tables = [one for one in bloated if one.kind != "index"]
        unsure = not self.bloat.ok and not bloated
        told = f"{len(bloated)} confirmed" + ("".join(f"; {one.mend}" for one in tables))
        return ("partial" if tables or unsure else "done"), told

    def _reindex(self) -> tuple[State, str]:
        with self.database.connect(autocommit=True) as connection:
            names = reindex.unfinished(connection)
        relations = self.bloat.relations if self.bloat else ()
        names += [one.name for one in relations if one.kind == "index" and one.verdict == "bloated"]
        if not names:
            return "done", "none is bloated or invalid"
        request = reindex.Request(
            tuple(names), dry_run=self.dry_run, wait_s=_INDEX_WAIT_S, max_duration_s=self.window.left_s
        )
        if self.dry_run:
            self.reindexed = reindex.reindex(self.database, request, self.progress)
        else:
            self.reindexed = reindex.work(self.database, request, self.progress, self.window)
        done = sum(one.state in ("done", "planned") for one in self.reindexed.indexes)
        told = f"{done} of {len(self.reindexed.indexes)} that are bloated or invalid"
        return ("done" if self.reindexed.ok else "partial"), told

    def _tidy(self) -> tuple[State, str]:
        self.tidied = backup.tidy(self.loaded, keep=None, dry_run=self.dry_run, approve=_nobody_says_yes)
        if self.tidied.brake:
            return "held", f"{self.tidied.brake} (redclust backup tidy)"
        return "done", f"{len(self.tidied.removed)} removed, {len(self.tidied.kept)} kept"

    def _figures(self) -> Figures:
        with self.database.connect(autocommit=True) as connection:
            (row,) = connection.execute(query("maintenance", "figures")).fetchall()
        return Figures(*row)


def _nobody_says_yes(brake: str) -> None:
    raise Refused(f"{brake} (redclust backup tidy)")


def _record(database: Database, report: MaintenanceReport, started_at: datetime) -> None:
    after = report.after or report.before
    figures = {
        "database_bytes": after.database_bytes,
        "freed_bytes": report.before.database_bytes - after.database_bytes,
        "parts": {part.name: part.state for part in report.parts},
        "seconds": report.duration_s,
    }
    verdict = "ok" if report.ok else "partial"
    # Who may maintain and not write has done it all the same.
    with database.connect(autocommit=True) as connection, suppress(pg.InsufficientPrivilege):
        history.record(connection, "maintenance", started_at=started_at, verdict=verdict, figures=figures)
