"""maintenance: one round of everything under one lock; what was not done is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bloated import make
from psycopg import sql

from harness import Redclust
from redclust.config import Loaded, Settings
from redclust.db import history, locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import Locked
from redclust.ops import maintenance
from redclust.ops.maintenance import MaintenanceReport, Part
from redclust.report import Silent

Session = Callable[..., psycopg.Connection[tuple[object, ...]]]
PARTS = ["leftovers", "old jobs", "quarantine", "vacuum", "bloat", "indexes", "backups"]


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Callable[..., MaintenanceReport]:
    """``run(dry_run=True)``: a round with low limits for bloat, and a home without backups."""
    url = database.target.url()
    settings = Settings.model_validate({"maintenance": {"bloat_min_mb": 0.1}, "database": {"url": url}})
    loaded = Loaded(settings, tmp_path, None)

    def one(**options: Any) -> MaintenanceReport:
        return maintenance.maintenance(database, loaded, Silent(), **options)

    return one


def part(report: MaintenanceReport, name: str) -> Part:
    (found,) = (one for one in report.parts if one.name == name)
    return found


@pytest.fixture
def neglected(connection: Connection) -> None:
    """Old jobs, old quarantine, a leftover, dead rows and a bloated index."""
    connection.execute(
        "INSERT INTO crawl_jobs (subreddit_name, status, started_at, completed_at) VALUES "
        "('old', 'completed', now() - interval '31 days', now() - interval '31 days'), "
        "('fresh', 'completed', now(), now()), ('waiting', 'pending', NULL, NULL)"
    )
    make(connection, "much", "narrow", 20_000, 70, vacuumed=False)
    connection.execute("CREATE INDEX much_other_ccnew ON much (other)")
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'much_other_ccnew'::regclass"
    )


def names(connection: Connection, statement: str) -> set[str]:
    return {str(name) for (name,) in connection.execute(statement.encode())}


@pytest.mark.usefixtures("neglected")
def test_a_round_does_it_all_and_says_what_is_left_to_you(
    run: Callable[..., MaintenanceReport], connection: Connection
) -> None:
    plan = run(dry_run=True)
    assert [one.name for one in plan.parts] == PARTS
    assert part(plan, "old jobs").told.startswith("1 jobs")
    assert plan.after is None
    assert "old" in names(connection, "SELECT subreddit_name FROM crawl_jobs"), "a plan changes nothing"
    assert "much_other_ccnew" in names(connection, "SELECT indexrelid::regclass FROM pg_index")
    assert history.newest(connection, "maintenance") == []

    report = run()
    assert [one.name for one in report.parts] == PARTS
    assert {one.name: one.state for one in report.parts if one.state != "done"} == {"bloat": "partial"}
    assert names(connection, "SELECT subreddit_name FROM crawl_jobs") == {"fresh", "waiting"}
    assert "much_other_ccnew" not in names(connection, "SELECT indexrelid::regclass FROM pg_index")
    assert report.vacuum is not None
    assert report.reindex is not None
    assert report.after is not None
    assert {one.index: one.state for one in report.reindex.indexes} == {"much_pkey": "done"}
    assert (report.before.dead_rows > 0, report.after.dead_rows) == (True, 0)
    assert f"redclust vacuum --full much --confirm {report.database}" in part(report, "bloat").told
    assert not report.ok
    (remembered,) = history.newest(connection, "maintenance")
    assert remembered.verdict == "partial"
    connection.execute("VACUUM FULL much")
    connection.execute("ANALYZE much")
    assert run().ok


def test_a_second_round_finds_nothing_to_do(run: Callable[..., MaintenanceReport]) -> None:
    assert run().ok
    again = run()
    assert again.ok
    assert again.reindex is None
    assert again.leftovers == ()


@pytest.mark.usefixtures("neglected")
def test_a_part_that_cannot_be_done_does_not_stop_the_others(
    run: Callable[..., MaintenanceReport], session: Session
) -> None:
    session("nightly-report").execute("LOCK TABLE users")
    report = run()
    assert part(report, "vacuum").state == "partial"
    assert report.vacuum is not None
    (skipped,) = (one for one in report.vacuum.tables if one.state == "skipped")
    assert [holder.name for holder in skipped.in_the_way] == ["nightly-report"]
    assert part(report, "indexes").state == "done"
    assert not report.ok


def test_the_window_closes(run: Callable[..., MaintenanceReport]) -> None:
    report = run(max_duration_s=0)
    assert {one.state for one in report.parts} == {"not started"}
    assert not report.ok


def test_one_lock_with_backups_and_migrations(
    run: Callable[..., MaintenanceReport], database: Database
) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True):
        with pytest.raises(Locked):
            run()
        assert run(dry_run=True).ok, "a plan takes no lock"


def test_who_may_maintain_and_nothing_else(
    run: Callable[..., MaintenanceReport],
    connection: Connection,
    make_role: Callable[..., str],
    acting_as: Callable[[str], Database],
    tmp_path: Path,
) -> None:
    if connection.info.server_version < 170000:
        pytest.skip("pg_maintain is of Postgres 17")
    keeper = make_role(
        "GRANT pg_maintain TO {}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
    )
    as_keeper = acting_as(keeper)
    settings = Settings.model_validate({"database": {"url": as_keeper.target.url()}})
    report = maintenance.maintenance(as_keeper, Loaded(settings, tmp_path, None), Silent())
    assert part(report, "vacuum").state == "done"
    assert part(report, "old jobs").state == "failed"
    assert "Permission denied" in part(report, "old jobs").told
    assert not report.ok


def test_the_cron_line(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    """As the runbook has it: nothing at all is written when all is well and REDCLUST_QUIET is set."""
    line = ("--database-url", database.target.url(), "--home", str(tmp_path), "maintenance")
    done = redclust(*line, env={"REDCLUST_QUIET": "1"}, check=0)
    assert (done.stdout, done.stderr) == ("", "")
    told = redclust(*line, check=0).stdout
    assert "Maintenance completed in" in told
    assert "all done" in told
    document = json.loads(redclust(*line, "--dry-run", "--format", "json", check=0).stdout)
    assert document["schema"] == "redclust.maintenance/1"
    assert [one["state"] for one in document["parts"]] == ["planned"] * len(PARTS)


def test_the_brake_of_tidy_holds_that_part_only(
    redclust: Redclust, database: Database, connection: Connection, tmp_path: Path
) -> None:
    line = ("--database-url", database.target.url(), "--home", str(tmp_path))
    connection.execute("INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 1000) AS n")
    redclust(*line, "backup", "now", check=0)
    connection.execute("DELETE FROM users")
    redclust(*line, "backup", "now", "--no-tidy", check=0)
    kept = redclust(*line, "backup", "ls", check=0).stdout.count("reddit_cluster_")
    env = {"REDCLUST_BACKUP__KEEP": "1"}
    done = redclust(*line, "maintenance", env=env, check=3)
    assert "held" in done.stdout
    assert "redclust backup tidy" in done.stdout
    assert redclust(*line, "backup", "ls", check=0).stdout.count("reddit_cluster_") == kept


def test_the_owner_without_superuser_rights(
    connection: Connection,
    make_role: Callable[..., str],
    acting_as: Callable[[str], Database],
    tmp_path: Path,
) -> None:
    owner = make_role()
    name = sql.Identifier(owner)
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(connection.info.dbname), name)
    )
    for (table,) in connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall():
        connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), name))
    as_owner = acting_as(owner)
    settings = Settings.model_validate({"database": {"url": as_owner.target.url()}})
    report = maintenance.maintenance(as_owner, Loaded(settings, tmp_path, None), Silent())
    assert report.ok, report.parts
