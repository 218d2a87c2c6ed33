"""vacuum: what was done is said, who was in the way is named, and skipped is not done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from harness import Redclust
from redclust.db import locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import DatabaseUnreachable, Locked, UsageError
from redclust.ops import vacuum
from redclust.ops.vacuum import TableVacuum, VacuumReport
from redclust.report import Silent

Session = Callable[..., psycopg.Connection[tuple[object, ...]]]


@pytest.fixture
def dead(connection: Connection) -> int:
    """Dead rows in users; how many."""
    connection.execute("ALTER TABLE users SET (autovacuum_enabled = false)")
    connection.execute("INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 5000) AS n")
    connection.execute("DELETE FROM users WHERE id % 5 <> 0")
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")
    return 4000


def one(report: VacuumReport, table: str) -> TableVacuum:
    (found,) = (t for t in report.tables if t.table == table)
    return found


def run(database: Database, *names: str, **options: Any) -> VacuumReport:
    return vacuum.vacuum(database, names, Silent(), **options)


def test_all_tables_and_those_of_the_system_with_before_and_after(database: Database, dead: int) -> None:
    report = run(database)
    assert report.ok
    users = one(report, "users")
    assert (users.state, users.dead_rows_before, users.dead_rows_after) == ("done", dead, 0)
    assert (users.size_bytes_before or 0) > 0
    assert {t.state for t in report.tables} == {"done"}
    assert {"comments", "pg_catalog.pg_class", "pg_catalog.pg_statistic"} <= {t.table for t in report.tables}
    assert not any(re.search("toast|information_schema", t.table) for t in report.tables)


def test_a_locked_table_is_skipped_and_its_holder_named(
    redclust: Redclust, database: Database, dead: int, session: Session
) -> None:
    other = session("nightly-report")
    for mode in ("ACCESS EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"):
        other.execute(sql.SQL("LOCK TABLE users IN {} MODE").format(sql.SQL(mode)))  # type: ignore[arg-type]
        report = run(database)
        users = one(report, "users")
        assert (users.state, users.dead_rows_after) == ("skipped", None)
        assert {t.state for t in report.tables if t.table != "users"} == {"done"}
        (holder,) = users.in_the_way
        assert (holder.pid, holder.name) == (other.info.backend_pid, "nightly-report")
        assert holder.since is not None
        assert not report.ok
        other.rollback()
    other.execute("LOCK TABLE users")
    done = redclust("vacuum", "users", check=3, fresh=True)
    assert "users skipped: locked by another session: nightly-report (server process" in done.stdout
    assert "Vacuumed 0 of 1 tables" in done.stdout


def test_whoever_keeps_dead_rows_is_named(
    redclust: Redclust, database: Database, connection: Connection, session: Session, dead: int
) -> None:
    other = session("analyst")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM posts")
    connection.execute("DELETE FROM users")
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")
    report = run(database, "users")
    users = one(report, "users")
    assert (users.state, users.dead_rows_after) == ("done", 1000)
    (holder,) = report.held_back_by
    assert (holder.kind, holder.pid, holder.name) == ("session", other.info.backend_pid, "analyst")
    assert report.ok, "all was done that could be done"
    told = redclust("vacuum", "users", check=0).stdout
    assert re.search(r"Dead rows are left because .*\n  analyst \(server process \d+, .*, since 20", told)
    other.rollback()
    assert run(database, "users").held_back_by == ()


def test_a_younger_transaction_is_not_blamed(
    database: Database, connection: Connection, session: Session, dead: int
) -> None:
    assert run(database, "users").held_back_by == ()
    session("quick").execute("SELECT count(*) FROM users")
    assert run(database, "users").held_back_by == ()


def test_a_dry_run_does_nothing(redclust: Redclust, database: Database, dead: int) -> None:
    report = run(database, "users", dry_run=True)
    assert (one(report, "users").state, one(report, "users").dead_rows_before) == ("planned", dead)
    assert "Nothing was done (--dry-run)" in redclust("vacuum", "--dry-run", check=0).stdout
    assert one(run(database, "users", dry_run=True), "users").dead_rows_before == dead


def test_names_are_checked_before_anything_is_done(database: Database, dead: int) -> None:
    with pytest.raises(UsageError, match="there is no table nonsense"):
        run(database, "users", "nonsense")
    assert one(run(database, "public.users", "users", dry_run=True), "users").dead_rows_before == dead


def test_what_the_time_does_not_suffice_for_is_listed(database: Database, dead: int) -> None:
    report = run(database, max_duration_s=0)
    assert {t.state for t in report.tables} == {"not started"}
    assert not report.ok


def test_two_vacuums_at_once_and_none_beside_a_restore(redclust: Redclust, database: Database) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True):
        assert run(database, "users").ok
    with locks.hold(database.connector, LockName.OPERATIONS):
        with pytest.raises(Locked, match="redclust test"):
            run(database, "users")
        assert run(database, "users", dry_run=True).ok
        assert "redclust test (server process" in redclust("vacuum", check=13).stderr


def test_a_role_that_may_not_is_told_so(
    database: Database,
    dead: int,
    make_role: Callable[..., str],
    acting_as: Callable[[str], Database],
    connection: Connection,
) -> None:
    reader = make_role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
    with pytest.raises(DatabaseUnreachable, match="Permission denied"):
        run(acting_as(reader))
    connection.execute(sql.SQL("ALTER TABLE users OWNER TO {}").format(sql.Identifier(reader)))
    report = run(acting_as(reader))
    assert (one(report, "users").state, one(report, "posts").state) == ("done", "skipped")
    assert not report.ok
    assert run(acting_as(reader), "users").ok


def test_the_owner_of_the_database_may_all_but_what_servers_share(
    connection: Connection, dead: int, make_role: Callable[..., str], acting_as: Callable[[str], Database]
) -> None:
    owner = make_role()
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(connection.info.dbname), sql.Identifier(owner)
        )
    )
    report = run(acting_as(owner))
    assert report.ok
    assert one(report, "users").state == "done"
    skipped = [t for t in report.tables if t.state == "skipped"]
    assert skipped
    assert all(t.optional for t in skipped)
    assert not run(acting_as(owner), "pg_catalog.pg_authid", "users").ok


def test_who_may_maintain_needs_to_own_nothing(
    connection: Connection, dead: int, make_role: Callable[..., str], acting_as: Callable[[str], Database]
) -> None:
    if connection.info.server_version < 170000:
        pytest.skip("pg_maintain is of Postgres 17")
    keeper = make_role("GRANT pg_maintain TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
    report = run(acting_as(keeper))
    assert report.ok
    assert one(report, "users").dead_rows_after == 0


def test_the_report_as_json(redclust: Redclust, dead: int) -> None:
    document = json.loads(redclust("vacuum", "users", "--format", "json", check=0).stdout)
    assert document["schema"] == "redclust.vacuum/1"
    assert document["tables"][0]["dead_rows_before"] == dead
    assert redclust("-q", "vacuum", check=0).stdout == ""
