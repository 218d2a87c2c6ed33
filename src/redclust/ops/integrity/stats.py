"""``integrity stats``: how large everything is, how it grows, and how far it is from trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from psycopg import errors as pg
from psycopg import sql

from redclust.config import MaintenanceSettings
from redclust.db import history
from redclust.db import tables as catalog
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.db.tables import Table
from redclust.report import Progress, Report
from redclust.sql import query

_VERB = "integrity.stats"
_LOCK_WAIT_MS = 2_000
#: Postgres refuses new transactions at about 2**31 of age, and warns 40 million before.
WRAPAROUND_XIDS = 2**31 - 3_000_000


@dataclass(frozen=True, slots=True)
class IndexStats:
    index: str
    size_bytes: int
    scans: int


@dataclass(frozen=True, slots=True)
class TableStats:
    """One table; ``rows`` is a count where ``exact``, else the server's estimate.

    ``placeholder_rows`` are those among the posts that were never seen themselves. The growth is against the
    last run, None where there was none. Sizes are None where another session holds the table exclusively.
    """

    table: str
    rows: int
    exact: bool
    placeholder_rows: int | None
    main_bytes: int | None
    toast_bytes: int | None
    index_bytes: int | None
    total_bytes: int | None
    rows_growth: int | None
    bytes_growth: int | None
    dead_rows: int
    vacuumed_at: datetime | None
    analyzed_at: datetime | None
    oldest_xid_age: int | None
    indexes: tuple[IndexStats, ...]


@dataclass(frozen=True, slots=True)
class StatsReport(Report):
    """The database and its tables, the largest first; not ok when something in ``warnings`` is wrong.

    ``hit_ratio`` is the share of blocks found in Postgres' own memory since ``counted_since``. ``recorded``
    is whether this run was written down for the next to compare with.
    """

    verb: ClassVar[str] = _VERB
    database: str
    size_bytes: int
    size_growth_bytes: int | None
    compared_with_at: datetime | None
    hit_ratio: float | None
    counted_since: datetime | None
    xid_age: int
    xids_to_wraparound: int
    multixact_age: int
    tables: tuple[TableStats, ...]
    warnings: tuple[str, ...]
    recorded: bool

    @property
    def ok(self) -> bool:
        return not self.warnings


def stats(
    database: Database, settings: MaintenanceSettings, progress: Progress, *, exact: bool = False
) -> StatsReport:
    """Ask the server's figures; count tables up to ``exact_rows_mb``, or all with ``exact``."""
    started_at = datetime.now(UTC)
    with database.connect(bulk=exact, autocommit=True) as connection:
        connection.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": _LOCK_WAIT_MS})
        there = catalog.tables(connection)
        previous = history.newest(connection, _VERB)
        before: Mapping[str, Any] = previous[0].figures if previous else {}
        limit_bytes = None if exact else settings.exact_rows_bytes
        found = _tables(connection, there, before.get("tables", {}), limit_bytes, progress)
        (row,) = connection.execute(query("stats", "database_figures")).fetchall()
        size_bytes, hit_ratio, xid_age, multixact_age, freeze_age, multixact_freeze_age, since, failures = row
        report = StatsReport(
            database=connection.info.dbname,
            size_bytes=size_bytes,
            size_growth_bytes=size_bytes - before["size_bytes"] if before else None,
            compared_with_at=previous[0].finished_at if previous else None,
            hit_ratio=hit_ratio,
            counted_since=since,
            xid_age=xid_age,
            xids_to_wraparound=WRAPAROUND_XIDS - xid_age,
            multixact_age=multixact_age,
            tables=tuple(sorted(found, key=lambda one: -(one.total_bytes or 0))),
            warnings=(
                *_too_old(xid_age, freeze_age, "transaction"),
                *_too_old(multixact_age, multixact_freeze_age, "multixact"),
                *((f"the server found {failures} damaged pages in this database",) if failures else ()),
            ),
            recorded=False,
        )
        return _recorded(connection, report, started_at)


def _too_old(age: int, freeze_age: int, what: str) -> tuple[str, ...]:
    # Autovacuum freezes at this age whatever its settings: half as much again, and it does not get there.
    if age <= freeze_age * 1.5:
        return ()
    return (f"the oldest {what} id is {age} ids old: autovacuum is not freezing (redclust vacuum)",)


def _tables(
    connection: Connection,
    there: list[Table],
    before: dict[str, dict[str, int]],
    limit_bytes: int | None,
    progress: Progress,
) -> list[TableStats]:
    unlocked = {"relations": [one.oid for one in there if one.size_bytes is not None]}
    sizes = {row[0]: row[1:] for row in connection.execute(query("stats", "sizes"), unlocked)}
    indexes: dict[int, list[IndexStats]] = {}
    for oid, name, size_bytes, scans in connection.execute(query("stats", "index_sizes"), unlocked):
        indexes.setdefault(oid, []).append(IndexStats(name, size_bytes, scans))
    found: list[TableStats] = []
    with progress.task("count", total=sum(one.size_bytes or 0 for one in there), unit="bytes") as task:
        for one in there:
            task.note(one.label)
            main, toast, index, planned_rows, age = sizes.get(one.oid, (None, None, None, 0, None))
            countable = main is not None and (limit_bytes is None or main <= limit_bytes)
            rows = _count(connection, one) if countable else None
            old = before.get(one.label)
            total = main + toast + index if main is not None else None
            rows_now = one.live_rows or planned_rows if rows is None else rows
            found.append(
                TableStats(
                    table=one.label,
                    rows=rows_now,
                    exact=rows is not None,
                    placeholder_rows=_placeholders(connection, rows_now, exact=rows is not None)
                    if one.label == "posts"
                    else None,
                    main_bytes=main,
                    toast_bytes=toast,
                    index_bytes=index,
                    total_bytes=total,
                    rows_growth=rows_now - old["rows"] if old else None,
                    bytes_growth=total - old["bytes"] if old and total is not None else None,
                    dead_rows=one.dead_rows,
                    vacuumed_at=one.vacuumed_at,
                    analyzed_at=one.analyzed_at,
                    oldest_xid_age=age,
                    indexes=tuple(indexes.get(one.oid, ())),
                )
            )
            task.advance(one.size_bytes or 0)
    return found


def _count(connection: Connection, one: Table) -> int | None:
    """None where this role may not read the table, or another session has locked it since."""
    try:
        statement = sql.SQL(query("databases", "count_rows")).format(table=one.identifier)
        row = connection.execute(statement).fetchone()
    except (pg.InsufficientPrivilege, pg.LockNotAvailable, pg.UndefinedTable):
        return None
    return int(row[0]) if row else None


def _placeholders(connection: Connection, rows: int, *, exact: bool) -> int | None:
    name = "placeholders" if exact else "placeholder_ratio"
    row = connection.execute(query("stats", name)).fetchone()
    value = row[0] if row else 0
    return int(value) if exact else round(value * rows)


def _recorded(connection: Connection, report: StatsReport, started_at: datetime) -> StatsReport:
    figures: dict[str, Any] = {
        "size_bytes": report.size_bytes,
        "hit_ratio": report.hit_ratio,
        "xid_age": report.xid_age,
        "tables": {
            one.table: {"rows": one.rows, "bytes": one.total_bytes}
            for one in report.tables
            if one.total_bytes is not None
        },
    }
    try:
        history.record(
            connection,
            _VERB,
            started_at=started_at,
            verdict="ok" if report.ok else "partial",
            figures=figures,
        )
    except (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction):
        return report
    return replace(report, recorded=True)
