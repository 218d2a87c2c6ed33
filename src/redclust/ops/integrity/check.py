"""``integrity check``: what is wrong with the data of one moment."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.db.session import Database
from redclust.ops.integrity import catalogue
from redclust.ops.integrity.catalogue import Check
from redclust.ops.integrity.moment import Moment, one_moment
from redclust.report import Progress, Report, Task
from redclust.sql import query

State = Literal["clean", "found", "skipped", "failed"]
#: What ends one check and not the others: a page that cannot be read, a table that is gone, a time limit.
_FAILURES = (
    pg.InternalError_,
    pg.DataCorrupted,
    pg.IndexCorrupted,
    pg.UndefinedTable,
    pg.UndefinedColumn,
    pg.QueryCanceled,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to: how many rows, the first of their keys, and what mends them.

    ``reason`` says why it was skipped, or how it failed. One that failed (a page that cannot be read) is a
    finding of its own.
    """

    name: str
    type: str
    state: State
    rows: int
    sample: tuple[str, ...]
    meaning: str
    mend: str
    reason: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class CheckReport(Report):
    """Every check of one moment; not ok when one found something or could not be finished.

    A skipped one counts too where ``skipped_count``: what was skipped had been asked for.
    """

    verb: ClassVar[str] = "integrity.check"
    snapshot_at: datetime
    checks: tuple[Result, ...]
    skipped_count: bool
    duration_s: float

    @property
    def ok(self) -> bool:
        bad = {"found", "failed", "skipped"} if self.skipped_count else {"found", "failed"}
        return not any(one.state in bad for one in self.checks)


def check(
    database: Database,
    progress: Progress,
    *,
    types: Set[str] = frozenset(),
    samples: int = 5,
    strict: bool = False,
) -> CheckReport:
    """Look for what is wrong, in one snapshot; changes nothing.

    Each check reads the tables themselves, never an index, in parallel where the server allows it: linear
    but for the sorting of keys. Memory on the server is bounded; what does not fit goes to its disk.
    """
    started_s = time.monotonic()
    chosen = catalogue.of_types(types)
    with (
        database.connect(bulk=True, autocommit=True) as connection,
        one_moment(connection, read_only=True) as moment,
    ):
        pages: dict[str, int] = dict(connection.execute(query("integrity", "relation_pages")).fetchall())
        weights = [sum(pages.get(table, 1) for table in one.reads) for one in chosen]
        results: list[Result] = []
        with progress.task("integrity check", total=sum(weights), unit="pages") as task:
            for one, weight in zip(chosen, weights, strict=True):
                task.note(one.name)
                results.append(_run(moment, one, samples, task))
                task.advance(weight)
    duration_s = round(time.monotonic() - started_s, 3)
    return CheckReport(moment.at, tuple(results), strict or bool(types), duration_s)


def _run(moment: Moment, one: Check, samples: int, task: Task) -> Result:
    started_s = time.monotonic()
    rows, sample, state, reason = 0, (), "clean", ""
    try:
        with moment.connection.transaction():
            found = _sample(moment, one, samples, task)
        if found:
            rows, sample, state = int(found[0][1]), tuple(str(key) for key, _ in found), "found"
    except pg.InsufficientPrivilege as error:
        state, reason = "skipped", _line(error)
    except _FAILURES as error:
        state, reason = "failed", _line(error)
    duration_s = round(time.monotonic() - started_s, 3)
    return Result(one.name, one.type, state, rows, sample, one.meaning, one.mend, reason, duration_s)


def _sample(moment: Moment, one: Check, samples: int, task: Task) -> list[tuple[Any, ...]]:
    """The first keys of what is found, each with the number of all."""
    if moment.unique(one.rows, task):
        return []
    members = moment.set_for(one.rows, task)
    task.note(one.name)
    found = one.rows.found(by_set=members is not None)
    statement = sql.SQL(query("integrity", "sample")).format(found=found)
    return moment.connection.execute(statement, {"samples": samples, **(members or {})}).fetchall()


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
