"""Data of another major version: refused, then brought over whole, and the old kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness import Redclust, dispose, own_server, stopped, wait_until
from redclust import pgtools
from redclust.config import DatabaseSettings
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.layout import Layout

OLD = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def old_home(work_dir: Path) -> Iterator[Path]:
    """A home whose data are of Postgres 15, with rows, a role, and settings."""
    if not (OLD / "postgres").exists():
        pytest.skip(f"no Postgres 15 in {OLD}")
    home = work_dir / "old"
    own = own_server(home, OLD)
    with own.in_use() as target:
        schema.migrate(Connector(target, DatabaseSettings(bin_dir=OLD), "test"))
        with psycopg.connect(target.conninfo, autocommit=True) as connection:
            connection.execute("INSERT INTO users (name) SELECT 'user_' || n FROM generate_series(1, 1000) n")
            connection.execute("INSERT INTO subreddits (name, title) VALUES ('golang', E'tab\\t \\u00e9')")
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
            connection.execute("GRANT SELECT ON users TO reader")
            connection.execute("ALTER DATABASE reddit_cluster SET log_min_duration_statement = 1000")
            connection.execute("ALTER DATABASE reddit_cluster SET search_path = public, pg_temp")
            connection.execute("ALTER SYSTEM SET max_connections = 120")
            connection.execute("CREATE DATABASE another")
    wait_until(lambda: stopped(home), "stopped")
    yield home
    dispose(home)


def test_upgrade_brings_everything_and_keeps_the_old(redclust: Redclust, old_home: Path) -> None:
    new = pgtools.wheel_bin_dir()
    env = {"REDCLUST_DATABASE__BIN_DIR": str(new)}
    # A server that stays is not upgraded under its users.
    redclust("db", "start", home=old_home, env={"REDCLUST_DATABASE__BIN_DIR": str(OLD)}, check=0)
    refused = redclust("db", "upgrade", home=old_home, env=env, check=13)
    assert "HINT: redclust db stop" in refused.stderr
    before = psycopg_rows(old_home, OLD)
    # The programs of the new version stop the old server.
    redclust("db", "stop", home=old_home, env=env, check=0)
    assert stopped(old_home)

    refused = redclust("db", "migrate", home=old_home, env=env, check=12)
    assert "Postgres 15" in refused.stderr
    assert "HINT: redclust db upgrade" in refused.stderr
    missing = redclust("db", "upgrade", "--old-bin-dir", "/nowhere", home=old_home, env=env, check=14)
    assert "/nowhere" in missing.stderr

    # What a killed upgrade left behind is in nobody's way.
    (old_home / "upgrade-20200101_000000").mkdir()
    (old_home / "upgrade-20200101_000000" / "dump").touch()
    done = redclust("db", "upgrade", "--format", "json", home=old_home, env=env, check=0)
    report = json.loads(done.stdout)
    assert (report["from_major"], report["to_major"]) == (15, pgtools.find_tools(new).major)
    assert report["rows"] == 1000 + 1 + len(before["migrations"])
    assert report["notes"] == [
        "the database another was not brought over",
        "settings made by ALTER SYSTEM were not brought over: max_connections",
    ]
    kept = Path(report["kept_dir"])
    assert (kept / "PG_VERSION").read_text() == "15\n"
    assert not list(old_home.glob("upgrade-*"))

    assert psycopg_rows(old_home, new) == before
    # The backups of the old server are still this home's.
    assert len(set(own_server(old_home, new).identities())) == 2
    with own_server(old_home, new).in_use() as target, psycopg.connect(target.conninfo) as connection:
        checks = connection.execute(
            "SELECT has_table_privilege('reader', 'users', 'SELECT'), "
            "current_setting('log_min_duration_statement'), current_setting('search_path'), "
            "(SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'reader'), "
            "(SELECT reltuples FROM pg_class WHERE relname = 'users')"
        ).fetchone()
    assert checks == (True, "1s", "public, pg_temp", True, 1000)
    # A crash between the last two renames: the next start does the second one.
    wait_until(lambda: stopped(old_home), "stopped")
    places = Layout(old_home)
    places.data.rename(places.upgraded)
    assert psycopg_rows(old_home, new) == before
    assert not places.upgraded.exists()


def psycopg_rows(home: Path, bin_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that the test has filled."""
    with own_server(home, bin_dir).in_use() as target, psycopg.connect(target.conninfo) as connection:
        return {
            "users": connection.execute("SELECT * FROM users ORDER BY id").fetchall(),
            "subreddits": connection.execute("SELECT * FROM subreddits").fetchall(),
            "migrations": connection.execute("SELECT * FROM redclust_migrations ORDER BY 1").fetchall(),
        }


def test_there_is_nothing_to_upgrade_yet(redclust: Redclust, home: Path) -> None:
    assert "no data" in redclust("db", "upgrade", home=home, check=2).stderr
