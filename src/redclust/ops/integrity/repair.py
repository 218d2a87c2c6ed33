"""``integrity repair``: keys, indexes, sequences and jobs put right; no row is removed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from psycopg import errors as pg
from psycopg import sql

from redclust.config import Settings
from redclust.db import history, locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.patience import Patience
from redclust.db.session import Database
from redclust.ops import reindex
from redclust.ops.integrity import catalogue, constraints
from redclust.ops.integrity.catalogue import Type
from redclust.ops.integrity.check import check
from redclust.ops.integrity.finding import Look, Skipped
from redclust.ops.integrity.hands import Action, Hands
from redclust.ops.integrity.moment import one_moment
from redclust.ops.integrity.probes import catalogs, pages
from redclust.ops.reindex import IndexRebuild, Leftover, indexes, leftovers
from redclust.ops.window import Window
from redclust.report import Progress, Report, Silent
from redclust.sql import query

_VERB = "integrity.repair"
#: What a repair can mend; the rest is for clean, precalc and restore.
_TYPES = frozenset({Type.JOBS, Type.SEQUENCES, Type.KEYS, Type.INDEXES, Type.SCHEMA, Type.SERVER})


@dataclass(frozen=True, slots=True)
class RepairReport(Report):
    """What was done, and the checks of these kinds that find something yet (``left``): not ok."""

    verb: ClassVar[str] = _VERB
    dry_run: bool
    actions: tuple[Action, ...]
    left: tuple[str, ...]
    duration_s: float

    @property
    def ok(self) -> bool:
        return not self.left and not any(one.state == "failed" for one in self.actions)


def repair(
    database: Database,
    settings: Settings,
    progress: Progress,
    *,
    deep: bool = False,
    dry_run: bool = False,
    wait_s: float = 600,
    lock_wait_s: float = 0,
) -> RepairReport:
    """Look for what is wrong with keys, indexes, sequences, jobs and collations, mend it, and look again.

    Indexes are built beside readers and writers; a constraint locks its table for a moment, and validates
    without a lock. With ``deep`` indexes that lack rows are found too. ``wait_s`` is how long one step waits
    for other transactions, which are named.

    Raises:
        DatabaseUnreachable: this role neither owns a table nor may maintain one.
        Locked: a backup, a restore or other maintenance works on the database for longer than
            ``lock_wait_s``.
    """
    if dry_run:
        return _repair(database, settings, progress, deep=deep, dry_run=True, wait_s=wait_s)
    with locks.hold(database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say):
        return _repair(database, settings, progress, deep=deep, dry_run=False, wait_s=wait_s)


def _repair(
    database: Database, settings: Settings, progress: Progress, *, deep: bool, dry_run: bool, wait_s: float
) -> RepairReport:
    started_s, started_at = time.monotonic(), datetime.now(UTC)
    with (
        database.connect(bulk=True, autocommit=True, role="work") as session,
        database.connect(bulk=True, autocommit=True) as watcher,
    ):
        indexes.refuse_without_rights(indexes.read(watcher))
        hands = Hands(Patience(session, watcher, wait_s, progress.say, lambda: None), dry_run)
        work = _Work(database, settings, progress, deep, hands)
        failures = work.through()
        left: tuple[str, ...] = ()
        if not dry_run:
            figures: dict[str, Any] = {"actions": len(hands.actions)}
            if failures is not None:
                figures["checksum_failures"] = failures
            try:
                history.record(session, _VERB, started_at=started_at, verdict="ok", figures=figures)
            except pg.InsufficientPrivilege:
                progress.say("not written down: this role may not write run_history")
            after = check(database, settings, progress, types=_TYPES, deep=deep)
            left = tuple(one.name for one in after.checks if one.state in ("found", "failed"))
    return RepairReport(dry_run, tuple(hands.actions), left, round(time.monotonic() - started_s, 3))


@dataclass(slots=True)
class _Work:
    database: Database
    settings: Settings
    progress: Progress
    deep: bool
    hands: Hands

    def through(self) -> int | None:
        """Everything in turn; the failed pages that have been seen to, None where there is none."""
        steps = (
            ("jobs", self.jobs),
            ("sequences", self.sequences),
            ("damaged indexes", self.indexes),
            ("schema", lambda: constraints.mend_drift(self.hands)),
            ("constraints", lambda: constraints.mend_constraints(self.hands)),
            ("collations", self.collations),
        )
        with self.progress.task("repair", total=len(steps) + 1, unit="steps") as task:
            for name, step in steps:
                task.note(name)
                step()
                task.advance(1)
            task.note("checksums")
            return self.checksums()

    @property
    def session(self) -> Connection:
        return self.hands.session

    def jobs(self) -> None:
        found = catalogue.named("job_impossible").rows.found()
        rows = self.session.execute(sql.SQL(query("integrity", "sample")).format(found=found), {"samples": 1})
        if first := rows.fetchone():
            mend = sql.SQL(query("repair", "mend_jobs")).format(found=found)
            what = "let the status of jobs count"
            self.hands.act(what, f"{first[1]} jobs", lambda: _run(self.session, mend))

    def sequences(self) -> None:
        try:
            behind = catalogs.sequences_behind(self.session)
        except pg.InsufficientPrivilege as error:
            self.hands.refuse("look at sequences", "public", " ".join(str(error).split()))
            return
        for one in behind:
            advance = sql.SQL(query("catalogs", "advance_sequence")).format(**one.identifiers())
            values = {"sequence": f'"{one.name}"'}
            self.hands.act(
                "advance the sequence", str(one), lambda s=advance, v=values: _run(self.session, s, v)
            )

    def indexes(self) -> None:
        """Build anew what is invalid or damaged; what dead builds have left goes."""
        invalid = [str(name) for (name,) in self.session.execute(query("repair", "invalid_indexes"))]
        self._rebuild([*invalid, *self._damaged()], "build the index anew")

    def _damaged(self) -> list[str]:
        with (
            self.database.connect(bulk=True, autocommit=True) as connection,
            one_moment(connection, read_only=True) as moment,
            Silent().task("") as task,
        ):
            look = Look(self.database, moment, self.settings, 1, self.deep, task)
            try:
                return [one.relation for one in pages.damaged_btrees(look)]
            except Skipped as error:
                self.progress.say(f"damaged indexes are not looked for: {error}")
                return []

    def _rebuild(self, names: list[str], what: str) -> bool:
        """Whether all of them are built anew."""
        there = {one.name: one for one in indexes.read(self.session)}
        chosen = [there[name] for name in dict.fromkeys(names) if name in there]
        if self.hands.dry_run:
            self.hands.actions += [Action(what, one.label, "planned") for one in chosen]
            return True
        swept = leftovers.sweep(self.hands.patience) if any(one.transient for one in chosen) else []
        self.hands.actions += [_swept(one) for one in swept]
        kept = [one.label for one in chosen if not one.transient]
        if not kept:
            return True
        request = reindex.Request(kept, deep=self.deep, wait_s=self.hands.patience.wait_s)
        report = reindex.work(self.database, request, self.progress, Window())
        self.hands.actions += [_rebuilt(one, what) for one in report.indexes]
        return report.ok

    def collations(self) -> None:
        """Indexes first: the other order would hide that they are broken."""
        if not self.session.execute(query("catalogs", "collation_drift")).fetchall():
            return
        names = [str(name) for (name,) in self.session.execute(query("repair", "collated_indexes"))]
        if not self._rebuild(names, "build the index anew in today's order"):
            return
        database = sql.Identifier(self.session.info.dbname)
        refresh = sql.SQL(query("repair", "refresh_database")).format(database=database)
        self.hands.act(
            "know the database's collation", self.session.info.dbname, lambda: _run(self.session, refresh)
        )
        for schema, name in self.session.execute(query("repair", "drifted_collations")).fetchall():
            one = sql.SQL(query("repair", "refresh_collation")).format(collation=sql.Identifier(schema, name))
            self.hands.act("know the collation", name, lambda s=one: _run(self.session, s))

    def checksums(self) -> int | None:
        """The failures that the server has counted, once every page has been read without one."""
        row = self.session.execute(query("catalogs", "checksum_failures")).fetchone()
        failures, _, known = row or (None, None, 0)
        if not failures or failures == known:
            return None if not failures else int(failures)
        what, about = "see to the pages that failed", f"{failures - known} failures"
        if self.hands.dry_run:
            self.hands.actions.append(Action(what, about, "planned"))
            return None
        with (
            self.database.connect(bulk=True, autocommit=True) as connection,
            one_moment(connection, read_only=True) as moment,
            Silent().task("") as task,
        ):
            look = Look(self.database, moment, self.settings, 1, False, task)
            try:
                damaged = [*pages.damaged_btrees(look), *pages.damaged_heaps(look)]
            except Skipped as error:
                self.hands.refuse(what, about, str(error))
                return None
        if damaged:
            told = f"damaged yet: {damaged[0]}"
            self.hands.refuse(what, about, f"{told}; a table's pages are in a backup: redclust restore")
            return None
        self.hands.actions.append(Action(what, about, "done", "every page can be read"))
        return int(failures)


def _swept(one: Leftover) -> Action:
    what = "drop what a dead build has left"
    return Action(what, one.index, "done" if one.state == "dropped" else "failed", one.reason)


def _rebuilt(one: IndexRebuild, what: str) -> Action:
    return Action(what, one.index, "done" if one.state == "done" else "failed", one.reason or one.checked)


def _run(session: Connection, statement: sql.Composed, values: dict[str, Any] | None = None) -> None:
    session.execute(statement, values)
