"""The older system's tables: never touched where they are, and brought over whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import Redclust
from natural import versions
from redclust.db.connect import Connector
from redclust.db.session import Database

SCHEMA = Path(__file__).with_name("older_schema.sql").read_text()


@pytest.fixture
def older(empty_database: Connector) -> Connector:
    with empty_database.connect(autocommit=True) as connection:
        connection.execute(SCHEMA)  # type: ignore[arg-type]
    return empty_database


def fingerprint(connector: Connector) -> list[tuple[object, ...]]:
    with connector.connect() as connection:
        return (
            connection.execute(
                "SELECT relname, relfilenode, relnatts FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
            ).fetchall()
            + connection.execute(
                "SELECT (SELECT sum(hashtextextended(p::text || xmin::text, 0)) FROM posts p),"
                " (SELECT count(*) FROM comments), (SELECT count(*) FROM graph_nodes)"
            ).fetchall()
        )


@pytest.mark.parametrize(
    "command",
    [
        ("import", "DUMP"),
        ("precalc",),
        ("precalc", "--clear"),
        ("db", "migrate"),
        ("graph", "show"),
        ("graph", "export", "--to", "json"),
    ],
)
def test_every_command_refuses_the_older_systems_tables_and_touches_nothing(
    redclust: Redclust, older: Connector, command: tuple[str, ...], tmp_path: Path
) -> None:
    dump = tmp_path / "dump.csv"
    dump.write_text("username,subreddit,interactions\nann,golang,1\n")
    before = fingerprint(older)
    arguments = [str(dump) if a == "DUMP" else a for a in command]
    done = redclust(*arguments, env={"DATABASE_URL": older.target.url()}, check=12)
    assert "another system" in done.stderr
    assert "--from-database" in done.stderr
    assert fingerprint(older) == before


def test_from_database_brings_everything_over_once(
    redclust: Redclust, database: Database, older: Connector
) -> None:
    before = fingerprint(older)
    url = older.target.url()
    done = redclust("import", "--from-database", url, "--format", "json", check=0)
    assert {f["state"] for f in json.loads(done.stdout)["files"]} == {"complete"}
    with database.connect() as connection:

        def one(statement: str) -> object:
            row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
            assert row is not None
            return row[0]

        assert one("SELECT count(*) FROM subreddits") == 3  # Golang and golang are one
        assert one("SELECT title FROM subreddits WHERE lower(name) = 'golang'") == "The Go language"
        assert one("SELECT count(*) FROM users") == 32
        assert one("SELECT bot_reason FROM users WHERE name = 'AutoModerator'") == "name"
        assert one("SELECT count(*) FROM posts WHERE NOT placeholder") == 200
        assert one("SELECT count(*) FROM posts WHERE placeholder") == 0
        assert one("SELECT count(*) FROM comments") == 1000
        assert one("SELECT count(*) FROM comments WHERE parent_id IS NOT NULL") == 200
        assert one("SELECT count(*) FROM comments WHERE score IS NOT NULL") == 0
        text = one("SELECT selftext FROM posts WHERE title = 'title 2'")
        assert text == 'text "quoted", \\ back\nline'
        body = one("SELECT body FROM comments WHERE body LIKE 'body 5 %'")
        assert body == 'body 5 \\N "x", \ttab'
        assert one("SELECT created_at = '2025-01-01 00:02+00' FROM posts WHERE title = 'title 2'") is True
        jobs = connection.execute("SELECT lower(subreddit_name), status, priority FROM crawl_jobs ORDER BY 1")
        assert jobs.fetchall() == [("golang", "pending", 50), ("quiet", "pending", 1), ("rust", "failed", 1)]
    assert fingerprint(older) == before
    rows = versions(database)
    redclust("import", "--from-database", url, check=0)
    assert versions(database) == rows


def test_a_source_of_another_kind_is_refused(
    redclust: Redclust, database: Database, empty_database: Connector
) -> None:
    done = redclust("import", "--from-database", empty_database.target.url(), check=12)
    assert "older system" in done.stderr
    done = redclust("import", "--from-database", database.target.url(), check=2)
    assert "imported into" in done.stderr
