"""``integrity check``: what is wrong with the data of one moment."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.config import Settings
from redclust.db import history
from redclust.db.session import Database
from redclust.ops.integrity import catalogue, together
from redclust.ops.integrity.catalogue import Check, Rows
from redclust.ops.integrity.finding import Found, Look, Skipped
from redclust.ops.integrity.moment import one_moment
from redclust.ops.integrity.probes import PROBES
from redclust.report import Progress, Report
from redclust.sql import query

State = Literal["clean", "found", "skipped", "failed", "not run"]
_ONLY_DEEP = "only with --deep, or where its type is named"
#: What ends one check and not the others: a page that cannot be read, a table that is gone, a time limit.
_FAILURES = (
    pg.InternalError,
    pg.DataError,
    pg.UndefinedTable,
    pg.UndefinedColumn,
    pg.UndefinedFunction,
    pg.QueryCanceled,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to: how many rows, the first of their keys, and what mends them.

    ``reason`` says why it was skipped, or how it failed. One that failed (a page that cannot be read) is a
    finding of its own. ``stale`` counts what only is of another time than its sources: no fault.
    """

    name: str
    type: str
    state: State
    rows: int
    sample: tuple[str, ...]
    meaning: str
    mend: str
    stale: int
    reason: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class CheckReport(Report):
    """Every check of one moment; not ok when one found something or could not be finished.

    A skipped one counts too where ``skipped_count``: what was skipped had been asked for.
    """

    verb: ClassVar[str] = "integrity.check"
    snapshot_at: datetime
    deep: bool
    checks: tuple[Result, ...]
    skipped_count: bool
    duration_s: float

    @property
    def ok(self) -> bool:
        bad = {"found", "failed", "skipped"} if self.skipped_count else {"found", "failed"}
        return not any(one.state in bad for one in self.checks)


def check(
    database: Database,
    settings: Settings,
    progress: Progress,
    *,
    types: Set[str] = frozenset(),
    deep: bool = False,
    samples: int = 5,
    strict: bool = False,
) -> CheckReport:
    """Look for what is wrong, in one snapshot; changes nothing.

    Each check reads the tables themselves, never an index, in parallel where the server allows it: linear
    but for the sorting of keys. Memory on the server is bounded; what does not fit goes to its disk. What is
    on pages, and the schema, is looked at on sessions of their own.
    """
    started_s = time.monotonic()
    chosen = catalogue.of_types(types)
    made = [one for one in chosen if deep or types or not one.deep]
    results: dict[str, Result] = {}
    with (
        database.connect(bulk=True, autocommit=True) as connection,
        one_moment(connection, read_only=True) as moment,
    ):
        pages: dict[str, int] = dict(connection.execute(query("integrity", "relation_pages")).fetchall())
        weights = {one.name: 1 + sum(pages.get(table, 1) for table in one.reads) for one in made}
        with progress.task("integrity check", total=sum(weights.values()), unit="pages") as task:
            look = Look(database, moment, settings, samples, deep, task)
            for one in made:
                task.note(one.name)
                results[one.name] = _run(look, one)
                task.advance(weights[one.name])
    checks = tuple(results.get(one.name) or _result(one, "not run", reason=_ONLY_DEEP) for one in chosen)
    skipped_count = strict or deep or bool(types)
    duration_s = round(time.monotonic() - started_s, 3)
    report = CheckReport(moment.at, deep, checks, skipped_count, duration_s)
    if not types:
        _note(database, report)
    return report


def _note(database: Database, report: CheckReport) -> None:
    """A look at everything counts as one; it took ``duration_s`` until now."""
    found = {one.name: one.rows for one in report.checks if one.state == "found"}
    failed = sum(one.state == "failed" for one in report.checks)
    figures = {"deep": report.deep, "found": found, "found_checks": len(found), "failed_checks": failed}
    figures["found_rows"] = sum(found.values())
    history.note(
        database.connector,
        report.verb,
        started_at=datetime.now(UTC) - timedelta(seconds=report.duration_s),
        verdict="ok" if report.ok else "partial",
        figures=figures,
    )


def _run(look: Look, one: Check) -> Result:
    started_s = time.monotonic()
    try:
        with look.moment.connection.transaction():
            found = PROBES[one.name](look) if one.finds is None else _sample(look, one, one.finds)
    except Skipped as error:
        return _result(one, "skipped", reason=str(error), started_s=started_s)
    except pg.InsufficientPrivilege as error:
        return _result(one, "skipped", reason=_line(error), started_s=started_s)
    except _FAILURES as error:
        return _result(one, "failed", reason=_line(error), started_s=started_s)
    return _result(one, "found" if found.rows else "clean", found, found.note, started_s)


def _sample(look: Look, one: Check, finds: Rows | catalogue.Listed) -> Found:
    """The first keys of what is found, and the number of all."""
    values = look.values()
    if isinstance(finds, Rows):
        if look.moment.unique(finds, look.task):
            return Found()
        known = together.answer(look.moment, one.name, look.task, samples=look.samples)
        if known is not None:
            return Found(*known)
        members = look.moment.set_for(finds, look.task)
        look.task.note(one.name)
        values.update(members or {})
        text = finds.found(by_set=members is not None)
    else:
        text = finds.found()
    rows = look.moment.connection.execute(
        sql.SQL(query("integrity", "sample")).format(found=text), values
    ).fetchall()
    return Found(int(rows[0][1]) if rows else 0, tuple(str(key) for key, _ in rows))


def _result(
    one: Check, state: State, found: Found | None = None, reason: str = "", started_s: float | None = None
) -> Result:
    found = found or Found()
    duration_s = 0.0 if started_s is None else round(time.monotonic() - started_s, 3)
    what = (one.name, one.type, state, found.rows, found.sample, one.meaning, one.mend)
    return Result(*what, found.stale, reason, duration_s)


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
