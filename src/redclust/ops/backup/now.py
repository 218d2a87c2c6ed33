"""``backup now``: dump, count, hash, read back, and only then call it a backup."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg

from redclust.config import Loaded
from redclust.db import history, locks, session
from redclust.db.connect import Connector
from redclust.db.locks import LockName
from redclust.errors import RedclustError
from redclust.ops.backup import catalog, failures, ping, places, tidying
from redclust.ops.backup.catalog import Ours
from redclust.ops.backup.make import Made, Maker
from redclust.ops.backup.manifest import Identity
from redclust.ops.backup.store import Store
from redclust.ops.backup.tidying import TidyReport
from redclust.report import Progress, Report

VERB = "backup now"


@dataclass(frozen=True, slots=True)
class Options:
    """What one run is asked for; ``jobs=None`` takes the settings'."""

    dump_format: str = "custom"
    jobs: int | None = None
    tidy: bool = True
    lock_wait_s: float = 0


@dataclass(frozen=True, slots=True)
class BackupReport(Report):
    """One backup, made and read back. With ``failing`` its restore would end with errors: it is not ok."""

    verb: ClassVar[str] = "backup.now"
    name: str
    path: str
    size_bytes: int
    plain_bytes: int
    tables: int
    rows: int
    level: str
    encrypted: bool
    dump_s: float
    verify_s: float
    warnings: tuple[str, ...]
    failing: tuple[str, ...]
    skipped: tuple[str, ...]
    tidy: TidyReport | None

    @property
    def ok(self) -> bool:
        return not self.failing and (self.tidy is None or self.tidy.ok)


def run(loaded: Loaded, options: Options, progress: Progress) -> BackupReport:
    """Back the database up, whatever its schema is, and tidy afterwards.

    Nothing of it is listed as a backup before every byte has been read back. Time is linear in the data,
    memory stays the same.

    Raises:
        Locked: another backup, or maintenance, is at work (named), or a table is locked.
        ToolError: no pg_dump of the server's version or without the TLS that is needed, or it failed.
        DatabaseUnreachable: no connection, or rights are missing.
        ArtefactUnusable: what was written is not what is read back; nothing is left of it.
        RedclustError: the place has no room for it, or cannot be written.
    """
    store = places.store(loaded)
    with (
        ping.around(loaded.settings.backup, progress),
        failures.noted(store, places.source_of(loaded)),
        session.server(loaded, VERB) as connector,
    ):
        progress.say(f"database: {session.describe(connector.target)}")
        started_at = datetime.now(UTC)
        try:
            report = _locked(loaded, options, store, connector, progress)
        except (RedclustError, psycopg.Error) as error:
            _record(connector, started_at, "failed", {"error": type(error).__name__})
            raise
        figures = {"name": report.name, "size_bytes": report.size_bytes, "rows": report.rows}
        figures |= {"dump_s": round(report.dump_s, 3), "verify_s": round(report.verify_s, 3)}
        _record(connector, started_at, "ok" if report.ok else "partial", figures)
    return report


def _locked(
    loaded: Loaded, options: Options, store: Store, connector: Connector, progress: Progress
) -> BackupReport:
    wait_s = options.lock_wait_s
    with (
        locks.hold(connector, LockName.OPERATIONS, shared=True, wait_s=wait_s, on_wait=progress.say),
        locks.hold(connector, LockName.BACKUP, wait_s=wait_s, on_wait=progress.say),
    ):
        jobs = options.jobs or loaded.settings.backup.jobs
        made = Maker(loaded, store, connector, progress).make(dump_format=options.dump_format, jobs=jobs)
        where = store.describe(made.manifest.name)
        if made.unread is not None:
            raise type(made.unread)(
                f"{where} was written, and could not be read back: {made.unread}",
                hint=f"redclust backup verify {made.manifest.name}",
            )
        tidied = _tidy(loaded, store, made.manifest.identity) if options.tidy else None
    return _report(made, where, tidied)


def _tidy(loaded: Loaded, store: Store, identity: Identity) -> TidyReport:
    """After a verified backup; where the brake holds nothing goes, and the report says so."""
    ours = Ours(places.ours(loaded).identities | {identity})
    chosen = tidying.policy(loaded.settings.backup)
    return tidying.of(catalog.read(store, ours), chosen, dry_run=False)


def _report(made: Made, where: str, tidied: TidyReport | None) -> BackupReport:
    what = made.manifest
    return BackupReport(
        name=what.name,
        path=where,
        size_bytes=what.size_bytes,
        plain_bytes=what.plain_bytes,
        tables=len(what.tables),
        rows=what.rows,
        level=what.verified.level.value if what.verified else "",
        encrypted=what.encrypted,
        dump_s=what.dump_s,
        verify_s=made.verify_s,
        warnings=tuple(told for told in what.warnings if told not in made.orphans),
        failing=made.orphans,
        skipped=what.skipped,
        tidy=tidied,
    )


def _record(
    connector: Connector, started_at: datetime, verdict: history.Verdict, figures: dict[str, Any]
) -> None:
    """In the history of the database, where its schema has one and it can be reached."""
    with suppress(psycopg.Error, RedclustError), connector.connect(autocommit=True) as connection:
        history.record(connection, VERB, started_at=started_at, verdict=verdict, figures=figures)
