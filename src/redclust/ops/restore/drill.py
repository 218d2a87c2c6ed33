"""``backup drill``: a backup restored to a database that is thrown away, and everything about it compared."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from redclust.config import Loaded
from redclust.db import databases, history, locks, session
from redclust.db.connect import Connector
from redclust.db.databases import Purpose
from redclust.db.locks import LockName
from redclust.errors import ArtefactUnusable, ToolError
from redclust.ops.backup import evidence, places
from redclust.ops.backup.catalog import LATEST, Catalog, Entry
from redclust.ops.backup.make import keys_of
from redclust.ops.backup.manifest import Level
from redclust.ops.backup.verify import Result, VerifyReport, chosen
from redclust.ops.restore import live as looks
from redclust.ops.restore import preflight, soundness
from redclust.ops.restore.build import build, missing_roles
from redclust.ops.restore.fill import Filling
from redclust.ops.restore.preflight import Look
from redclust.ops.restore.request import Request
from redclust.ops.restore.soundness import Check
from redclust.ops.restore.source import Backup, find
from redclust.report import Progress, Report

VERB = "backup drill"
#: What says nothing about the backup: the server or this machine failed the drill.
_NOT_THE_BACKUP = (
    "No space left",
    "could not extend",
    "could not connect",
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "out of memory",
    "was ended by SIG",
    "Permission denied",
    "permission denied",
    "must be owner",
    "must be able to SET ROLE",
    "canceling statement",
)


@dataclass(frozen=True, slots=True)
class DrillReport(Report):
    """One backup, restored and looked at. ``restore_s`` is what the worst day would take, checks left out.

    ``problem`` is why it could not be restored at all; then there are no checks. Faults of the data itself
    are findings, and the backup is good: it is what was backed up. A skipped check leaves it ok.
    """

    verb: ClassVar[str] = "backup.drill"
    name: str
    backup_at: datetime
    tables: int
    rows: int
    restore_s: float
    previous_restore_s: float | None
    checks: tuple[Check, ...]
    problem: str
    swept: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def wrong(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.verdict == "wrong")

    @property
    def faults(self) -> tuple[Check, ...]:
        """What is wrong with the copy, and was not in the database that was backed up."""
        return tuple(check for check in self.wrong if not check.of_data)

    @property
    def restorable(self) -> bool:
        """The backup restores to what was backed up, sound or not."""
        return not self.problem and not self.faults

    @property
    def ok(self) -> bool:
        return not self.problem and not self.wrong


def drill(
    loaded: Loaded, wanted: str | None, progress: Progress, *, jobs: int | None = None, lock_wait_s: float = 0
) -> DrillReport:
    """Restore a backup beside the live database, compare it, throw the copy away, keep the evidence.

    Without a name it is the one of this database's backups that was never drilled, or longest ago. The live
    database is only read for the lock and the record of the run.

    Raises:
        ArtefactUnusable: there is no backup to drill.
        Locked: maintenance or a restore is at work.
        Refused: there is not enough space, or rights are missing.
    """
    with session.server(loaded, VERB) as live:
        source = _source(loaded, wanted)
        with _shared(live, progress, lock_wait_s):
            return _drill(loaded, live, source, progress, jobs)


def verify(
    loaded: Loaded, progress: Progress, *, name: str | None, every: bool, lock_wait_s: float = 0
) -> VerifyReport:
    """``backup verify --level restore``: a drill of one backup (default: the newest) or of each one.

    Raises:
        ArtefactUnusable: there is none, or none of that name.
        Locked: maintenance or a restore is at work.
    """
    catalog = places.read(loaded)
    keys = keys_of(loaded)
    results: list[Result] = []
    with session.server(loaded, VERB) as live, _shared(live, progress, lock_wait_s):
        for entry in chosen(catalog, name, every=every):
            size, problem, restore_s = entry.size_bytes, entry.problem, 0.0
            if entry.manifest is not None:
                source = Backup(catalog.store, entry, entry.manifest, keys)
                found = _drill(loaded, live, source, progress, None)
                problem = found.problem or "; ".join(f"{one.name}: {one.told}" for one in found.faults)
                restore_s = found.restore_s
            results.append(Result(entry.name, Level.RESTORE.value, not problem, restore_s, size, problem))
    return VerifyReport(catalog.store.describe(), tuple(results))


@contextmanager
def _shared(live: Connector, progress: Progress, wait_s: float) -> Generator[None]:
    with locks.hold(live, LockName.OPERATIONS, shared=True, wait_s=wait_s, on_wait=progress.say):
        yield


def longest_not_drilled(catalog: Catalog) -> Entry:
    """The newest of this database's backups that was never drilled; else whose drill is longest ago.

    Raises:
        ArtefactUnusable: there is none.
    """
    own = catalog.own()
    if not own:
        return catalog.choose(LATEST)  # which says what there is instead

    def drilled_s(entry: Entry) -> float:
        check = entry.evidence.newest(Level.RESTORE)
        return check.at.timestamp() if check else 0.0

    return min(own, key=drilled_s)


def _source(loaded: Loaded, wanted: str | None) -> Backup:
    name = wanted or longest_not_drilled(places.read(loaded)).name
    source = find(loaded, name, trust=False)
    if not isinstance(source, Backup):
        raise ArtefactUnusable(f"{name} has no manifest to be compared with")
    return source


def _drill(
    loaded: Loaded,
    live: Connector,
    source: Backup,
    progress: Progress,
    jobs: int | None,
) -> DrillReport:
    began_at, started_s = datetime.now(UTC), time.monotonic()
    server, name = databases.maintenance(live), databases.name_of(live)
    swept = databases.sweep(server, name)
    with server.connect(autocommit=True) as connection:
        major = connection.info.server_version // 10_000
        strange = [role.name for role in missing_roles(connection, source)]
    look = Look(loaded, server, live, source, Request(source.entry.name, owners=not strange, jobs=jobs))
    errors = look.obstacles()
    if errors:
        raise errors[0]
    notes = [f"without owners and grants: this server has no role {', '.join(strange)}"] if strange else []
    before = source.entry.evidence.newest(Level.RESTORE)
    rows = tables = 0
    checks: tuple[Check, ...] = ()
    problem = ""
    how = Filling(
        tools=preflight.tools(loaded, live.target, major),
        jobs=look.jobs(),
        owners=not strange,
        room=look.room,
    )
    with databases.copy(server, name, Purpose.DRILL) as copy_name:
        copy = Connector(server.target.on(copy_name), server.settings, server.verb)
        facts = source.manifest.database
        try:
            built = build(server, copy_name, source, how, facts=facts, roles=False, progress=progress)
            rows, tables, notes = built.rows, built.tables, [*notes, *built.notes]
        except (ArtefactUnusable, ToolError) as error:
            problem = str(error)
            if any(sign in problem for sign in _NOT_THE_BACKUP):
                raise
        restore_s = round(time.monotonic() - started_s, 3)
        if not problem:
            checks = soundness.checks(copy, source.manifest, loaded.settings, progress)
    report = DrillReport(
        name=source.entry.name,
        backup_at=source.manifest.moment.at,
        tables=tables,
        rows=rows,
        restore_s=restore_s,
        previous_restore_s=before.duration_s if before and before.ok else None,
        checks=checks,
        problem=problem,
        swept=tuple(swept),
        notes=tuple(notes),
    )
    _keep(source, report, live, began_at)
    return report


def _keep(source: Backup, report: DrillReport, live: Connector, began_at: datetime) -> None:
    wrong = [f"{check.name}: {check.told}" for check in report.faults]
    figures: dict[str, float | int | str] = {"restore_s": report.restore_s, "rows": report.rows}
    figures |= {check.name: f"{check.verdict}: {check.told}" for check in report.checks}
    known = evidence.Check(
        level=Level.RESTORE,
        ok=report.restorable,
        at=datetime.now(UTC),
        duration_s=report.restore_s,
        problem=report.problem or "; ".join(wrong),
        figures=figures,
    )
    evidence.record(source.store, source.entry.name, known)
    with live.connect(autocommit=True) as connection:
        if looks.has(connection, "run_history"):
            told: Mapping[str, Any] = {"name": report.name, **figures}
            verdict = "ok" if report.ok else "partial"
            history.record(connection, VERB, started_at=began_at, verdict=verdict, figures=told)
