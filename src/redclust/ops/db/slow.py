"""``db slow``: which statements take the time, and how to have them counted or logged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.config import Loaded
from redclust.db.connect import Connection, Connector
from redclust.db.target import MAINTENANCE_DATABASE
from redclust.errors import DatabaseUnreachable, RedclustError, UsageError
from redclust.ops.db.activity import without_passwords
from redclust.ops.db.log import path_of
from redclust.report import Report
from redclust.sql import query

_EXTENSION = "pg_stat_statements"
# "… duration: 1234.567 ms  statement: SELECT …", or execute NAME of a prepared one.
_DURATION = re.compile(r"duration: (?P<ms>\d+\.\d+) ms +(?:statement|execute [^:]*): (?P<query>.*)")
_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+\b")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, its values left out; times are of all its calls, of the mean and of the longest."""

    calls: int
    total_s: float
    mean_s: float
    max_s: float
    rows: int | None
    query: str


@dataclass(frozen=True, slots=True)
class SlowReport(Report):
    """The statements that took most time; from ``source``, and ``how`` to have a better one.

    ``logged_from_ms`` is the length from which new sessions of this database have statements logged, None for
    none.
    """

    verb: ClassVar[str] = "db.slow"
    database: str
    source: Literal["pg_stat_statements", "log", "none"]
    logged_from_ms: int | None
    statements: tuple[Statement, ...]
    how: tuple[str, ...]


def slow(connector: Connector, loaded: Loaded, *, limit: int) -> SlowReport:
    """Read what the server has counted, else what it has logged; the log in one pass."""
    with connector.connect(autocommit=True) as connection:
        database = connection.info.dbname
        logged_from_ms = _logged_from_ms(connection)
        counted = _counted(connection, database, limit)
    if counted is None:
        counted = _counted_elsewhere(connector, database, limit)
    if counted is not None:
        return SlowReport(database, _EXTENSION, logged_from_ms, counted, ())
    how = _how(connector)
    path = path_of(loaded)
    if path is None or logged_from_ms is None:
        return SlowReport(database, "none", logged_from_ms, (), how)
    with path.open("rb") as file:
        logged = _logged((line.decode(errors="replace") for line in file), limit)
    return SlowReport(database, "log", logged_from_ms, logged, how)


def enable_log(connector: Connector, longer_than_s: float | None) -> int | None:
    """Let the server log statements of this database that take so long, from new sessions on; None: none.

    Raises:
        DatabaseUnreachable: only a superuser may, or whom one has granted SET on the parameter.
    """
    with connector.connect(autocommit=True) as connection:
        limit_ms = -1 if longer_than_s is None else round(longer_than_s * 1000)
        names = {"database": sql.Identifier(connection.info.dbname), "limit_ms": sql.Literal(limit_ms)}
        try:
            connection.execute(sql.SQL(query("incidents", "log_slow_statements")).format(**names))
        except pg.InsufficientPrivilege as error:
            raise DatabaseUnreachable(
                f"Permission denied by the database: {' '.join(str(error).split())}",
                hint="a superuser may: GRANT SET ON PARAMETER log_min_duration_statement TO this role",
            ) from error
        return _logged_from_ms(connection)


def enable_statements(connector: Connector) -> None:
    """Have the embedded server count statements from its next restart on.

    The extension goes into the maintenance database: it counts for all, and nothing of it is in a backup.

    Raises:
        UsageError: the database is an external one, or the server does not have the extension.
    """
    if not connector.target.embedded:
        raise UsageError(
            "--enable-statements is about the embedded server; on this one a superuser runs:",
            hint=" ".join(_how(connector)),
        )
    elsewhere = Connector(connector.target.on(MAINTENANCE_DATABASE), connector.settings, connector.verb)
    with elsewhere.connect(autocommit=True) as connection:
        try:
            connection.execute(query("incidents", "make_statements"))
        except pg.UndefinedFile:
            raise UsageError(f"this server does not have {_EXTENSION} (its contrib package)") from None
        (row,) = connection.execute(query("incidents", "loaded_libraries")).fetchall()
        libraries = dict.fromkeys([*(one.strip() for one in row[0].split(",") if one.strip()), _EXTENSION])
        names = sql.Composed([sql.Literal(one) for one in libraries]).join(", ")
        connection.execute(sql.SQL(query("incidents", "load_libraries")).format(libraries=names))


def _logged_from_ms(connection: Connection) -> int | None:
    (row,) = connection.execute(query("incidents", "logged_from")).fetchall()
    told = str(row[0])
    # As it was written: 1000, 1s, -1.
    (row,) = connection.execute(query("incidents", "milliseconds"), {"told": told}).fetchall()
    return None if row[0] is None or row[0] < 0 else int(row[0])


def _counted(connection: Connection, database: str, limit: int) -> tuple[Statement, ...] | None:
    row = connection.execute(query("incidents", "statements_schema")).fetchone()
    if row is None:
        return None
    statement = sql.SQL(query("incidents", "statements")).format(schema=sql.Identifier(row[0]))
    try:
        rows = connection.execute(statement, {"database": database, "limit": limit}).fetchall()
    except (pg.ObjectNotInPrerequisiteState, pg.InsufficientPrivilege):
        return None
    return tuple(Statement(*one, query=without_passwords(text)) for *one, text in rows)


def _counted_elsewhere(connector: Connector, database: str, limit: int) -> tuple[Statement, ...] | None:
    elsewhere = Connector(connector.target.on(MAINTENANCE_DATABASE), connector.settings, connector.verb)
    try:
        with elsewhere.connect(autocommit=True) as connection:
            return _counted(connection, database, limit)
    except (RedclustError, psycopg.Error):
        return None


def _how(connector: Connector) -> tuple[str, ...]:
    if connector.target.embedded:
        return (
            "redclust db slow --enable-statements, then redclust db restart: every statement is counted",
            "redclust db slow --enable-log 1s: what takes longer is logged, and counted here from the log",
        )
    return (
        f"A superuser adds {_EXTENSION} to shared_preload_libraries, restarts the server, and makes the "
        f"extension in the database {MAINTENANCE_DATABASE}: every statement is counted.",
        "redclust db slow --enable-log 1s: what takes longer is in the server's log.",
    )


def _logged(lines: Iterator[str], limit: int) -> tuple[Statement, ...]:
    times: dict[str, list[float]] = {}
    for line in lines:
        if told := _DURATION.search(line):
            name = _LITERALS.sub("?", without_passwords(told["query"]))[:500]
            calls = times.setdefault(name, [0, 0.0, 0.0])
            took_s = float(told["ms"]) / 1000
            times[name] = [calls[0] + 1, calls[1] + took_s, max(calls[2], took_s)]
    slowest = sorted(times.items(), key=lambda item: -item[1][1])[:limit]
    return tuple(
        Statement(int(calls), total, total / calls, longest, None, name)
        for name, (calls, total, longest) in slowest
    )
