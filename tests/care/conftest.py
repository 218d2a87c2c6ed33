"""One connection to look at a test's database, roles that may less, and sessions that are in the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness import settings_for
from redclust.config import MaintenanceSettings
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.db.target import Target

_numbers = itertools.count(1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(bulk=True, autocommit=True) as connection:
        yield connection


@pytest.fixture
def maintenance() -> MaintenanceSettings:
    return MaintenanceSettings()


@pytest.fixture
def make_role(connection: Connection, database: Database) -> Iterator[Callable[..., str]]:
    """``make_role("GRANT pg_maintain TO {}")``: a role of that name's rights; gone after the test."""
    made: list[sql.Identifier] = []

    def make(*grants: str) -> str:
        name = f"role_{database.target.parameters()['dbname']}_{next(_numbers)}"
        made.append(sql.Identifier(name))
        connection.execute(sql.SQL("CREATE ROLE {}").format(made[-1]))
        for grant in grants:
            connection.execute(sql.SQL(grant).format(made[-1]))  # type: ignore[arg-type]
        return name

    yield make
    for role in made:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def acting_as(database: Database) -> Callable[[str], Database]:
    """The same database for a session that acts as a role and has its rights alone."""

    def act(role: str) -> Database:
        conninfo = make_conninfo(database.target.conninfo, options=f"-c role={role}")
        target = Target(conninfo, embedded=False, source="test")
        return Database(Connector(target, settings_for(None).database, "test"))

    return act


@pytest.fixture
def session(database: Database) -> Iterator[Callable[..., psycopg.Connection[tuple[object, ...]]]]:
    """``session("psql")``: somebody else's session of that application name."""
    opened: list[psycopg.Connection[tuple[object, ...]]] = []

    def open_one(name: str, *, autocommit: bool = False) -> psycopg.Connection[tuple[object, ...]]:
        opened.append(psycopg.connect(database.target.conninfo, application_name=name, autocommit=autocommit))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
