"""The schema: applied whole or not at all, once, and refused where it does not fit."""

from __future__ import annotations

import json
from contextlib import closing
from typing import LiteralString, cast

import psycopg
import pytest

from harness import ExternalServer, Redclust
from redclust import sql
from redclust.config import DatabaseSettings
from redclust.db import locks, schema
from redclust.db.connect import Connector
from redclust.db.locks import LockName
from redclust.db.schema import State
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import DatabaseUnreachable, Locked, RedclustError, SchemaMismatch
from redclust.sql import Migration


def run(connector: Connector, statement: str) -> None:
    with connector.connect(autocommit=True) as connection:
        connection.execute(cast(LiteralString, statement))


def tables(connector: Connector) -> set[str]:
    with connector.connect(autocommit=True) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200")
        return {str(row[0]) for row in rows}


def url(connector: Connector) -> tuple[str, str]:
    return "--database-url", connector.target.url()


#: The version of a database that has every migration there is.
HEAD = len(sql.migrations())


def further(number: int, text: str) -> Migration:
    """A step that comes ``number`` after the last one there is."""
    name = f"further_{number}"
    return Migration(HEAD + number, name, cast(LiteralString, text), f"checksum of {name}")


def test_an_empty_external_database_is_named_and_migrated_by_hand(
    redclust: Redclust, empty_database: Connector
) -> None:
    refused = redclust("precalc", "status", *url(empty_database), check=12)
    assert "the schema is missing" in refused.stderr
    assert empty_database.target.describe() in refused.stderr
    assert "HINT: redclust db migrate\n" in refused.stderr
    for preview in ("--status", "--dry-run"):
        told = json.loads(
            redclust("db", "migrate", preview, "--format", "json", *url(empty_database), check=0).stdout
        )
        assert (told["state"], told["applied_now"]) == ("empty", 0)
        assert {step["state"] for step in told["steps"]} == {"pending"}
    assert tables(empty_database) == set()
    told = json.loads(redclust("db", "migrate", "--format", "json", *url(empty_database), check=0).stdout)
    assert (told["state"], told["applied_now"]) == ("current", len(sql.migrations()))
    redclust("precalc", "status", *url(empty_database), check=3)


def test_two_migrations_at_once_share_the_work(redclust: Redclust, empty_database: Connector) -> None:
    runs = [redclust.start("db", "migrate", "--format", "json", *url(empty_database)) for _ in range(2)]
    told = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    applied = sorted(json.loads(out)["applied_now"] for out, _ in told)
    assert applied == [0, len(sql.migrations())]


def test_an_edited_migration_is_refused_by_name(redclust: Redclust, database: Database) -> None:
    run(database.connector, "UPDATE redclust_migrations SET checksum = 'of another text' WHERE version = 1")
    for verb in (("db", "migrate", "--status"), ("precalc", "status")):
        refused = redclust(*verb, check=12)
        assert "0001_base.sql" in refused.stderr


def test_a_newer_schema_is_refused(redclust: Redclust, database: Database) -> None:
    run(database.connector, "INSERT INTO redclust_migrations VALUES (900, 'of_next_year', 'x')")
    for verb in (("db", "migrate"), ("precalc", "status")):
        refused = redclust(*verb, check=12)
        assert "900" in refused.stderr
        assert "HINT: upgrade redclust" in refused.stderr


def test_an_old_schema_is_named_then_brought_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    more = (further(1, "CREATE TABLE extra (n integer)"), further(2, "ALTER TABLE extra ADD m integer"))
    known = (*sql.migrations(), *more)
    monkeypatch.setattr(schema, "migrations", lambda: known)
    with database.connect(autocommit=True) as connection:
        assert schema.inspect(connection).state is State.BEHIND
        with pytest.raises(
            SchemaMismatch, match=f"at version {HEAD}, this redclust needs version {HEAD + 2}"
        ) as caught:
            schema.require(connection, "here")
        assert caught.value.hint == "redclust db migrate"
    assert schema.migrate(database.connector) == more
    assert "extra" in tables(database.connector)
    assert schema.migrate(database.connector) == ()


def test_a_failing_migration_leaves_those_before_it_and_nothing_of_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = further(2, "CREATE TABLE half (n integer); CREATE TABLE users (n integer)")
    known = (*sql.migrations(), further(1, "CREATE TABLE whole (n integer)"), bad)
    monkeypatch.setattr(schema, "migrations", lambda: known)
    with pytest.raises(RedclustError, match=r"_further_2\.sql failed and was rolled back: .*users"):
        schema.migrate(database.connector)
    assert "whole" in tables(database.connector)
    assert "half" not in tables(database.connector)
    with database.connect() as connection:
        assert [a.version for a in schema.inspect(connection).applied] == [*range(1, HEAD + 2)]


def test_another_system_s_tables_are_recognised_and_not_touched(
    redclust: Redclust, empty_database: Connector
) -> None:
    older = "CREATE TABLE subreddits (id serial, name text); INSERT INTO subreddits VALUES (1, 'x')"
    with psycopg.connect(empty_database.target.conninfo) as connection:
        connection.execute(cast(LiteralString, older))
    writers = (("db", "migrate"), ("precalc",), ("import", "-"))
    for verb in writers:
        refused = redclust(*verb, *url(empty_database), check=12)
        assert "another system" in refused.stderr
        assert "nothing was touched" in refused.stderr
        assert "--from-database" in refused.stderr
    assert tables(empty_database) == {"subreddits"}
    status = json.loads(redclust("db", "status", "--format", "json", *url(empty_database), check=0).stdout)
    assert status["schema_state"] == "foreign"


def test_a_role_without_rights_is_permission_denied(external: ExternalServer) -> None:
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS guest")
        admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    target = Target(external.conninfo(user="guest", password="guest"), embedded=False, source="test")
    guest = Connector(target, DatabaseSettings(), "migrate")
    with pytest.raises(DatabaseUnreachable, match="Permission denied"):
        schema.migrate(guest)


def test_a_role_with_a_schema_of_its_name_uses_the_public_one(external: ExternalServer) -> None:
    """Postgres looks into "$user" first: the tables would be made where nobody looks for them again."""
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE own_schema")
    target = Target(external.conninfo("own_schema"), embedded=False, source="test")
    connector = Connector(target, DatabaseSettings(), "migrate")
    run(connector, f"CREATE SCHEMA {external.user}")
    assert schema.migrate(connector) == sql.migrations()
    assert "users" in tables(connector)
    assert schema.migrate(connector) == ()


def test_a_lock_says_who_holds_it_and_ends_with_its_session(empty_database: Connector) -> None:
    other = Connector(empty_database.target, empty_database.settings, "precalc")
    with locks.hold(other, LockName.OPERATIONS) as holding:
        pid = holding.info.backend_pid
        with (
            pytest.raises(Locked, match=rf"the database is locked by another run: redclust precalc .*{pid}"),
            locks.hold(empty_database, LockName.OPERATIONS),
        ):
            pass
        with (
            pytest.raises(Locked),
            locks.hold(empty_database, LockName.OPERATIONS, shared=True),
        ):
            pass
        with locks.hold(empty_database, LockName.PRECALC):
            pass  # another name is another lock
    with (
        locks.hold(other, LockName.OPERATIONS, shared=True),
        locks.hold(empty_database, LockName.OPERATIONS, shared=True),
    ):
        pass
    # Whoever loses the session of a lock has lost the lock, and is told.
    with pytest.raises(psycopg.errors.AdminShutdown):
        _lose(other, empty_database)


def _lose(holder: Connector, other: Connector) -> None:
    with (
        locks.hold(holder, LockName.OPERATIONS) as holding,
        closing(other.connect(autocommit=True)) as admin,
    ):
        admin.execute("SELECT pg_terminate_backend(%s)", (holding.info.backend_pid,))
        with locks.hold(other, LockName.OPERATIONS, wait_s=5):
            pass


def test_a_lock_of_another_role_is_told_as_well(external: ExternalServer) -> None:
    """Postgres hides when the session of another role began."""
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        for role in ("first", "second"):
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'".encode())
    first, second = (
        Connector(
            Target(external.conninfo(user=role, password=role), embedded=False, source="test"),
            DatabaseSettings(),
            role,
        )
        for role in ("first", "second")
    )
    with (
        locks.hold(first, LockName.IMPORT),
        pytest.raises(Locked, match=r"import .*redclust first"),
        locks.hold(second, LockName.IMPORT),
    ):
        pass
