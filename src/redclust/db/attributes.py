"""What a database is besides its contents: owner, grants, settings, comment, encoding and locale.

``pg_restore`` into a database of another name leaves all of it behind, so a backup records it and a restore
replays it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.sql import query

_PRIVILEGES = {name: sql.SQL(name) for name in ("CONNECT", "CREATE", "TEMPORARY")}
#: Parameters whose value is a list of names, each of which Postgres quotes by itself.
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
_LIST_ELEMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the server, without its password; ``member_of`` are the roles granted to it."""

    name: str
    superuser: bool
    inherit: bool
    createrole: bool
    createdb: bool
    login: bool
    replication: bool
    bypassrls: bool
    connection_limit: int
    valid_until: datetime | None
    member_of: tuple[str, ...] = ()
    #: It owns something in the database, has a right on something, or a setting there.
    concerned: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on the database itself; ``grantee`` is empty for everybody."""

    grantee: str
    grantor: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """``ALTER DATABASE … SET``, or with a role ``ALTER ROLE … IN DATABASE … SET``; the value as kept."""

    role: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What lies outside the database: pg_restore under another name leaves all of it behind."""

    owner: str
    encoding: str
    #: ``libc``, ``icu`` or ``builtin``.
    locale_provider: str
    collate: str
    ctype: str
    #: Of icu and builtin; None for libc.
    locale: str | None
    collation_version: str | None
    connection_limit: int
    tablespace: str
    comment: str | None
    #: With indexes and catalogs: what a restore needs beside the present one.
    size_bytes: int
    #: None where nobody ever granted or revoked: Postgres' defaults.
    grants: tuple[Grant, ...] | None
    settings: tuple[Setting, ...]


def read(connection: Connection, name: str) -> DatabaseFacts | None:
    """The facts of a database of this server; None where there is none of that name."""
    values = {"name": name}
    row = connection.execute(query("databases", "facts"), values).fetchone()
    if row is None:
        return None
    *told, granted = row
    grants = tuple(Grant(*g) for g in connection.execute(query("databases", "grants"), values))
    settings = tuple(Setting(*s) for s in connection.execute(query("databases", "settings"), values))
    return DatabaseFacts(*told, grants=grants if granted else None, settings=settings)


def roles(connection: Connection) -> tuple[Role, ...]:
    """Every role of the server but Postgres' own; ``concerned`` is about this session's database."""
    rows = connection.execute(query("databases", "roles"))
    return tuple(Role(*told, member_of=tuple(groups), concerned=here) for *told, groups, here in rows)


def create_role(connection: Connection, role: Role, existing: Iterable[str]) -> None:
    """Make a role of that name with what cannot do harm: a login without a password, memberships.

    Rights over the whole server (superuser, createdb, createrole) are not given again by a restore.

    Raises:
        psycopg.errors.InsufficientPrivilege: this session may not make roles.
    """
    name = sql.Identifier(role.name)
    steps = [("create_role", True), ("allow_login", role.login), ("no_inherit", not role.inherit)]
    with connection.transaction():
        for step, wanted in steps:
            if wanted:
                connection.execute(sql.SQL(query("databases", step)).format(role=name))
        for group in set(role.member_of) & set(existing):
            statement = sql.SQL(query("databases", "add_member"))
            connection.execute(statement.format(role=sql.Identifier(group), member=name))


def apply(connection: Connection, name: str, wanted: DatabaseFacts, *, owner: bool) -> tuple[str, ...]:
    """Give a database what is wanted but for encoding and locale, which only its creation can.

    ``owner=False`` leaves the owner as it is. What this session may not do is left and told, a sentence each.
    """
    database = sql.Identifier(name)
    steps: list[tuple[str, sql.Composed]] = []

    def add(told: str, step: str, **parts: sql.Composable) -> None:
        steps.append((told, sql.SQL(query("databases", step)).format(name=database, **parts)))

    if wanted.comment is not None:
        add("the comment", "set_comment", text=sql.Literal(wanted.comment))
    if wanted.connection_limit >= 0:
        limit = sql.Literal(wanted.connection_limit)
        add("the limit of connections", "set_connection_limit", limit=limit)
    for one in wanted.settings:
        parts = {"parameter": sql.Identifier(*one.name.split(".")), "value": _value(one)}
        if one.role is None:
            add(f"the setting {one.name}", "set_database_parameter", **parts)
        else:
            told = f"the setting {one.name} of role {one.role}"
            add(told, "set_role_parameter", role=sql.Identifier(one.role), **parts)
    if wanted.grants is not None:
        add("that not everybody may connect", "revoke_default")
        for grant in wanted.grants:
            told = f"{grant.privilege} for {grant.grantee or 'everybody'}"
            right = {"privilege": _PRIVILEGES[grant.privilege]}
            if not grant.grantee:
                add(told, "grant_everybody", **right)
            else:
                step = "grant_onward" if grant.grantable else "grant"
                add(told, step, role=sql.Identifier(grant.grantee), **right)
    if owner:  # last: afterwards the rest may not be ours to do
        add(f"the owner {wanted.owner}", "set_owner", role=sql.Identifier(wanted.owner))
    left: list[str] = []
    for told, statement in steps:
        try:
            with connection.transaction():
                connection.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
            left.append(f"{told} could not be set: {error.diag.message_primary}")
    return tuple(left)


def _value(one: Setting) -> sql.Composable:
    if one.name.lower() not in _LISTS:
        return sql.Literal(one.value)
    names = list_elements(one.value)
    return sql.Composed([sql.Literal(name) for name in names or [""]]).join(", ")


def list_elements(text: str) -> list[str]:
    """The names in a list as Postgres stores it: ``"$user", public``."""
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _LIST_ELEMENT.match(text, at)
        if match is None or match.end() == at:
            break
        quoted, plain = match.groups()
        found.append(quoted.replace('""', '"') if quoted is not None else plain)
        at = match.end()
    return found
