"""Databases beside the live one, by their names: copies that are being made, and kept ones.

    LIVE_restore_20260101_120000_1a2b3c4d   being restored; LIVE_drill_… being drilled: thrown away
    LIVE_before_20260101_120000             what was live before a restore

A copy is dropped by its maker; where that one was killed, by the next run, which sees that nobody holds the
copy's name any more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.db import locks
from redclust.db.attributes import DatabaseFacts
from redclust.db.connect import Connection, Connector
from redclust.errors import DatabaseUnreachable, Locked
from redclust.sql import query

#: Bytes that Postgres keeps of a name.
_NAME_BYTES = 63
_STAMP = "%Y%m%d_%H%M%S"
_STAMP_CHARS = 15
_STAMP_PATTERN = r"\d{8}_\d{6}"
#: Databases for a session that is about other databases.
_MAINTENANCE = ("postgres", "template1")
#: What a server says that does not have a locale or its provider.
_NO_SUCH_LOCALE = (
    pg.FeatureNotSupported,
    pg.InvalidParameterValue,
    pg.ObjectNotInPrerequisiteState,
    pg.SyntaxError,
    pg.UndefinedObject,
    pg.WrongObjectType,
)


class Purpose(StrEnum):
    """What a copy is made for."""

    RESTORE = "restore"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Session:
    """One client of a database; the times are the server's."""

    pid: int
    application: str
    user: str | None
    address: str | None
    since: datetime | None
    state: str | None

    def __str__(self) -> str:
        who = self.application or "a session without a name"
        of = f" of {self.user}" if self.user else ""
        return f"{who}{of} (server process {self.pid}{f', {self.address}' if self.address else ''})"


@dataclass(frozen=True, slots=True)
class Kept:
    """A database that was live until ``at``."""

    name: str
    at: datetime
    size_bytes: int


def maintenance(connector: Connector) -> Connector:
    """The same server by a database that is none of ours: a database in use cannot be renamed.

    Raises:
        DatabaseUnreachable: this role may connect to none of ``postgres`` and ``template1``.
    """
    last: DatabaseUnreachable | None = None
    for name in _MAINTENANCE:
        found = Connector(connector.target.on(name), connector.settings, connector.verb)
        try:
            found.connect(autocommit=True).close()
        except DatabaseUnreachable as error:
            last = last or error
        else:
            return found
    raise last or DatabaseUnreachable("database not reachable")


def name_of(connector: Connector) -> str:
    """The name of a connector's database."""
    named = connector.target.parameters()
    return named.get("dbname") or named.get("user") or ""


def copy_name(live: str, purpose: Purpose) -> str:
    """A new name for a copy of ``live``; nobody else gets the same."""
    ending = f"_{purpose}_{datetime.now(UTC):{_STAMP}}_{secrets.token_hex(4)}"
    return _stem(live, len(ending)) + ending


def kept_name(connection: Connection, live: str, at: datetime) -> str:
    """The name under which what was live until ``at`` is kept; a later second's where that one is taken."""
    while True:
        ending = f"_before_{at:{_STAMP}}"
        name = _stem(live, len(ending)) + ending
        if oid(connection, name) is None:
            return name
        at += timedelta(seconds=1)


def restored_name(live: str, at: datetime) -> str:
    """The name of a restored database that is not to become the live one."""
    ending = f"_restored_{at:{_STAMP}}"
    return _stem(live, len(ending)) + ending


def kept(connection: Connection, live: str) -> list[Kept]:
    """The databases that earlier restores of ``live`` have kept, newest first."""
    pattern = f"{re.escape(_stem(live, len('_before_') + _STAMP_CHARS))}_before_{_STAMP_PATTERN}"
    rows = connection.execute(query("databases", "names_like"), {"pattern": f"^{pattern}$"})
    found: list[Kept] = []
    for name, size in rows:
        with suppress(ValueError):  # a name like it that somebody else gave
            at = datetime.strptime(name[-_STAMP_CHARS:], _STAMP).replace(tzinfo=UTC)
            found.append(Kept(name, at, size))
    return sorted(found, key=lambda one: one.at, reverse=True)


def oid(connection: Connection, name: str) -> int | None:
    """The number of a database; None where there is none of that name."""
    row = connection.execute(query("databases", "oid"), {"name": name}).fetchone()
    return int(row[0]) if row else None


def sessions(connection: Connection, name: str) -> list[Session]:
    """Who is connected to a database, oldest first; this session and autovacuum are left out."""
    return [Session(*row) for row in connection.execute(query("databases", "sessions"), {"name": name})]


def create(connection: Connection, name: str, like: DatabaseFacts | None) -> tuple[str, ...]:
    """Make an empty database with the encoding and locale of another; what could not be had is told.

    Raises:
        DatabaseUnreachable: this role may not make databases.
    """
    parts: dict[str, sql.Composable] = {"name": sql.Identifier(name)}
    if like is not None:
        for part in ("encoding", "collate", "ctype", "locale"):
            parts[part] = sql.Literal(getattr(like, part))
        with suppress(*_NO_SUCH_LOCALE):
            connection.execute(sql.SQL(query("databases", f"create_{like.locale_provider}")).format(**parts))
            return ()
    connection.execute(sql.SQL(query("databases", "create_default")).format(name=parts["name"]))
    if like is None:
        return ()
    wanted = f"{like.locale_provider} {like.locale or like.collate}"
    return (f"this server has no locale {wanted}: texts sort as in its other databases",)


def drop(connection: Connection, name: str) -> None:
    """Drop a database, ending whoever is connected to it; it may be gone already."""
    connection.execute(sql.SQL(query("databases", "drop")).format(name=sql.Identifier(name)))


@contextmanager
def copy(server: Connector, live: str, purpose: Purpose) -> Generator[str]:
    """A new name that is this run's until the block ends; what has it then is dropped.

    A copy that is to stay is renamed before.
    """
    name = copy_name(live, purpose)
    with locks.hold_name(server, name):
        try:
            yield name
        finally:
            with server.connect(bulk=True, autocommit=True) as connection:
                drop(connection, name)


def sweep(server: Connector, live: str) -> list[str]:
    """Drop the copies of ``live`` whose makers are gone; their names."""
    patterns: list[str] = []
    for purpose in Purpose:
        stem = _stem(live, len(copy_name("", purpose)))
        patterns.append(rf"{re.escape(stem)}_{purpose}_{_STAMP_PATTERN}_[0-9a-f]{{8}}")
    pattern = f"^({'|'.join(patterns)})$"
    dropped: list[str] = []
    with server.connect(bulk=True, autocommit=True) as connection:
        for name, _ in connection.execute(query("databases", "names_like"), {"pattern": pattern}).fetchall():
            # Held: its maker is at work. Not ours to drop: another role's.
            with suppress(Locked, psycopg.errors.InsufficientPrivilege), locks.hold_name(server, name):
                drop(connection, name)
                dropped.append(name)
    return dropped


def _stem(live: str, ending_chars: int) -> str:
    """The beginning of a name that Postgres keeps in whole with an ending of that length."""
    return live.encode()[: _NAME_BYTES - ending_chars].decode(errors="ignore")
