"""``integrity clean``: mend what ``check`` finds; whatever is taken away or changed can be put back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence, Set
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from psycopg import errors as pg
from psycopg import sql

from redclust.db import locks, top_links
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import Locked, UsageError
from redclust.ops.integrity import seen, steps, together, turns
from redclust.ops.integrity.moment import Moment, one_moment
from redclust.ops.integrity.probes import catalogs
from redclust.ops.integrity.steps import Step
from redclust.ops.integrity.turns import Batch, Turns
from redclust.report import Progress, Report, Task
from redclust.sql import query

_PAUSE_S = 0.05
#: How long writers that are in the way of a batch are waited for at least: a page's transaction is short.
_WRITERS_S = 30.0
#: Rows that others moved meanwhile, and those with two faults, need another pass.
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One kind of finding: the rows found, and how many of them were removed or changed.

    Fewer were done where another session mended or moved a row in between.
    """

    reason: str
    type: str
    table: str
    found_rows: int
    removed_rows: int
    changed_rows: int


@dataclass(frozen=True, slots=True)
class CleanReport(Report):
    """What was found and done; ``run_id`` names what is in the quarantine, None where nothing was written.

    ``left_rows`` are those that others changed under it each time: not ok, run it again.
    """

    verb: ClassVar[str] = "integrity.clean"
    run_id: int | None
    dry_run: bool
    batch_rows: int
    cleaned: tuple[Cleaned, ...]
    left_rows: int
    duration_s: float

    @property
    def ok(self) -> bool:
        return not self.left_rows


def clean(
    database: Database,
    progress: Progress,
    *,
    types: Set[str] = frozenset(),
    batch_rows: int = 1000,
    dry_run: bool = False,
    lock_wait_s: float = 0,
) -> CleanReport:
    """Mend what :func:`check` finds of these types, and what follows from it; of all where none is named.

    Keys are collected once, in one snapshot; then each batch is one transaction that takes rows out and
    writes them to the quarantine, if they are still wrong. Linear in the tables once, and in what is
    removed. A kill leaves batches done or not done.

    Raises:
        UsageError: ``batch_rows`` is not positive.
        Locked: a backup, a restore or other maintenance works on the database for longer than
            ``lock_wait_s``; or writers do not let a batch through.
    """
    if batch_rows < 1:
        raise UsageError("--batch must be 1 or more")
    started_s = time.monotonic()
    if dry_run:
        with database.connect(bulk=True, autocommit=True) as connection:
            plan = _plan(connection, types)
            with Turns(database, connection) as by_turns:
                run = _Run(connection, by_turns, plan, batch_rows, progress)
                run.collect()
            return run.report(started_s, dry_run=True)
    with (
        locks.hold(
            database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say
        ) as watch,
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        plan, wait_s = _plan(connection, types), max(lock_wait_s, _WRITERS_S)
        with Turns(database, connection) as by_turns:
            run = _Run(connection, by_turns, plan, batch_rows, progress, watch, wait_s)
            run.through(sorted(types) or ["all"])
        if run.quarantined_rows:
            top_links.restore(connection)
        return run.report(started_s, dry_run=False)


def _plan(connection: Connection, types: Set[str]) -> tuple[Step, ...]:
    """The steps, and the table that what they find waits in."""
    connection.execute(query("integrity", "stage_doomed"))
    return steps.plan(types, catalogs.keys_of(connection))


def _parameters(step: Step) -> dict[str, Any]:
    """What the queries of a step may ask for."""
    names = dict(step.rows.names)
    return {"steps": list(step.after), "column": names.get("column"), "prefix": names.get("prefix")}


@dataclass(slots=True)
class _Run:
    connection: Connection
    by_turns: Turns
    plan: Sequence[Step]
    batch_rows: int
    progress: Progress
    watch: Connection | None = None
    wait_s: float = 0
    run_id: int | None = None
    quarantined_rows: int = 0
    #: The numbers in the quarantine that are given to steps before.
    numbered: int = 0
    found: Counter[int] = field(default_factory=Counter[int])
    done: Counter[int] = field(default_factory=Counter[int])
    #: Whether all comments that crawls have seen are there, which is looked up beside all other things.
    seen_are_there: Future[bool] | None = None
    #: By step the keys that another pass must look at.
    left: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    #: By step the number of its last row in this pass.
    last: dict[int, int] = field(default_factory=dict[int, int])

    def through(self, types: list[str]) -> None:
        self.collect()
        for number in range(_PASSES):
            if number:
                self.collect(again=True)
            if self.last and self.run_id is None:
                self.run_id = self._begin(types)
            self._work_off()
            if not self.left:
                break
        if self.run_id is not None:
            with self.connection.transaction():
                self.connection.execute(query("quarantine", "end_run"), {"id": self.run_id})

    def collect(self, *, again: bool = False) -> None:
        """Find the rows of every step in one snapshot; ``again`` those that are left only."""
        only, self.left = self.left, {}
        with (
            self.progress.task("collecting", total=len(self.plan), unit="steps") as task,
            one_moment(self.connection, read_only=False) as moment,
        ):
            self.connection.execute(query("integrity", "clear_doomed"))
            now = [step for step in self.plan if not again or step.number in only]
            if any(step.reason == together.PARENT for step in now):
                self.seen_are_there = self.by_turns.look(moment, seen.are_there)
            for step in now:
                task.note(step.reason)
                self._find(moment, step, only[step.number] if again else None, task)
                task.advance(1)
            self.connection.execute(query("integrity", "index_doomed"))
            self.connection.execute(query("integrity", "analyze_doomed"))
            for number, keys in self.connection.execute(query("integrity", "doomed_later")):
                self.left[number] = keys

    def _find(self, moment: Moment, step: Step, only: list[str] | None, task: Task) -> None:
        if moment.unique(step.rows, task):
            return
        if step.reason == together.PARENT and self.seen_are_there and self.seen_are_there.result():
            return
        members = None
        is_staged = step.reason in together.ONE_PASS and not only and together.stage(moment, task)
        if is_staged:
            found = together.staged(step.reason)
        else:
            members = moment.set_for(step.rows, task)
            found = step.rows.found(by_set=members is not None)
        task.note(step.reason)
        # Several processes look for rows, but only where nothing else than a new table is written.
        finds, looks_itself = step.finds(found), step.after or not is_staged
        if looks_itself:
            stage = sql.SQL(query("integrity", "stage_found")).format(found=finds)
            self.connection.execute(stage, {**_parameters(step), **(members or {})})
            finds = sql.SQL(query("integrity", "found_rows"))
        earlier = [one for one in self.plan[: step.number] if one.table == step.table]
        values = {
            "step": step.number,
            "same_table": [one.number for one in earlier],
            "removing": [one.number for one in earlier if one.mends == "remove"],
            "only": only,
        }
        rows = self.connection.execute(
            sql.SQL(query("integrity", "doom")).format(found=finds), values
        ).rowcount
        if rows:
            self.last[step.number] = rows
        if only is None:
            self.found[step.number] = rows
        if looks_itself:
            self.connection.execute(query("integrity", "drop_found"))

    def _begin(self, types: list[str]) -> int:
        values = {"types": types, "batch_rows": self.batch_rows}
        with self.connection.transaction():
            row = self.connection.execute(query("quarantine", "begin_run"), values).fetchone()
        if row is None:
            raise RuntimeError("a new run has no number")
        return int(row[0])

    def _work_off(self) -> None:
        steps_now = sorted((step for step in self.plan if step.number in self.last), key=lambda one: one.turn)
        total = sum(self.last.values())
        with self.progress.task("cleaning", total=total, unit="rows") as task:
            for step in steps_now:
                task.note(f"{step.table}: {step.reason}")
                statement, values = step.statement(), self._values(step)
                batches = self._batches(self.last[step.number])
                if step.dangles and len(batches) > 1 and turns.possible(self.connection.info.server_version):
                    batches = self.by_turns.through(step, batches, values)
                for batch in batches:
                    if batch.taken:
                        self._did(step, batch.rows)
                    else:
                        self._batch(step, statement, {**values, "first": batch.first, "last": batch.last})
                    task.advance(batch.rows)
                self.numbered += self.last[step.number]
        self.last = {}

    def _batches(self, last: int) -> Sequence[Batch]:
        firsts = range(1, last + 1, self.batch_rows)
        return [Batch(first, min(last, first + self.batch_rows - 1)) for first in firsts]

    def _values(self, step: Step) -> dict[str, Any]:
        return {
            "step": step.number,
            "run_id": self.run_id,
            "before": self.numbered,
            "table": step.table,
            "reason": step.reason,
            **_parameters(step),
        }

    def _did(self, step: Step, rows: int) -> None:
        self.quarantined_rows += rows
        self.done[step.number] += rows

    def _batch(self, step: Step, statement: sql.Composed, values: dict[str, Any]) -> None:
        deadline_s = time.monotonic() + self.wait_s
        while True:
            try:
                with self.connection.transaction():
                    turns.begin(self.connection)
                    if step.referred_to:
                        self.connection.execute(query("integrity", "lock_references"), turns.REFERENCES)
                    if step.passes_by_keys:
                        with suppress(pg.InsufficientPrivilege), self.connection.transaction():
                            self.connection.execute(query("quarantine", "pass_by_keys"))
                    row = self.connection.execute(statement, values).fetchone()
                break
            except pg.LockNotAvailable as error:
                if time.monotonic() >= deadline_s:
                    raise self._locked(step) from error
                time.sleep(_PAUSE_S)
        if row is None:
            raise RuntimeError(f"{step.reason}: a batch answers nothing")
        rows, left = row
        self._did(step, rows)
        if left:
            self.left.setdefault(step.number, []).extend(left)

    def _locked(self, step: Step) -> Locked:
        other = locks.holder(self.watch, LockName.REFERENCES) if self.watch and step.referred_to else None
        return Locked(
            f"{step.table} is being written by {other or 'another session'}; "
            f"at least {self.quarantined_rows} rows were cleaned before",
            hint="what was done stands; run it again when that ends",
        )

    def report(self, started_s: float, *, dry_run: bool) -> CleanReport:
        cleaned = tuple(
            Cleaned(
                step.reason,
                step.type,
                step.table,
                self.found[step.number],
                self.done[step.number] if step.mends == "remove" else 0,
                self.done[step.number] if step.mends != "remove" else 0,
            )
            for step in self.plan
            if self.found[step.number]
        )
        left_rows = 0 if dry_run else sum(map(len, self.left.values()))
        duration_s = round(time.monotonic() - started_s, 3)
        return CleanReport(self.run_id, dry_run, self.batch_rows, cleaned, left_rows, duration_s)
