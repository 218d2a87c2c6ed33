"""What is wrong on the pages, with the order of text, and many faults at once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from lab import DEFECTS, build, contents, found, inject, mend

from harness import own_server, settings_for, stopped, wait_until
from redclust.config import Settings
from redclust.db import schema
from redclust.db.connect import Connection, Connector
from redclust.db.layout import Layout
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.report import Silent

Damage = Callable[[str], AbstractContextManager[Database]]
#: Twenty that do not undo one another.
MIXED = (
    "a subreddit gone",
    "a user gone",
    "a post gone",
    "a comment of an unknown user",
    "nodes gone",
    "nodes of nothing",
    "links turned round",
    "comments twice",
    "user_subreddit_activity twice",
    "graph_links twice",
    "subreddits of one name",
    "comments elsewhere",
    "jobs of one subreddit",
    "a weight one way",
    "overlap too small both ways",
    "activity too large",
    "jobs in states that cannot be",
    "a valid key of nothing",
    "an index gone",
    "an invalid index",
)


@pytest.fixture
def damaged(home: Path, bin_dir: Path | None) -> Damage:
    """``with damaged("graph_nodes_pkey") as database``: the lab on a server of its own, one page broken."""
    own = own_server(home, bin_dir)

    @contextmanager
    def damage(relation: str) -> Generator[Database]:
        with own.in_use() as target:
            connector = Connector(target, settings_for(bin_dir).database, "test")
            schema.migrate(connector)
            build(Database(connector))
            with connector.connect(autocommit=True) as connection:
                row = connection.execute("SELECT pg_relation_filepath(%s::regclass)", [relation]).fetchone()
                assert row is not None
                path = Layout(home).data / str(row[0])
        wait_until(lambda: stopped(home), "the server is stopped")
        with path.open("r+b") as file:
            file.seek(8192 + 4000)
            file.write(b"\xa5" * 300)
        with own.in_use() as target:
            yield Database(Connector(target, settings_for(bin_dir).database, "test"))

    return damage


def test_a_damaged_index_page(damaged: Damage) -> None:
    with damaged("graph_links_pkey") as database:
        assert set(found(database)) == {"index_corrupt", "checksum_failures"}
        mend(database, "repair")
        assert found(database) == {}


def test_a_damaged_table_page(damaged: Damage) -> None:
    """No command can mend it, and none says that it did."""
    with damaged("comments") as database:
        report = integrity.check(database, Settings(), Silent(), deep=True)
        states = {one.name: one.state for one in report.checks if one.state not in ("clean", "not run")}
        assert not report.ok
        assert states["table_corrupt"] == "found"
        assert states["checksum_failures"] == "found"
        assert states["comment_post_missing"] == "failed"
        assert states["activity_differs"] == "failed"
        assert "post_author_missing" not in states
        repaired = integrity.repair(database, Settings(), Silent())
        assert not repaired.ok
        assert "checksum_failures" in repaired.left
        assert any("redclust restore" in one.reason for one in repaired.actions)


def test_amcheck_is_not_left_in_the_database(database: Database, connection: Connection) -> None:
    assert found(database, "indexes", "tables") == {}
    row = connection.execute("SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'").fetchone()
    assert row == (0,)
    schemas = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'redclust%%'", {})
    assert schemas.fetchone() == (0,)


def test_entries_that_an_index_lacks_are_found_by_a_deep_look_only(
    database: Database, connection: Connection
) -> None:
    inject(
        connection,
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'posts_pkey'::regclass; "
        "INSERT INTO posts (id, subreddit_id, placeholder) "
        "SELECT n, p.subreddit_id, true FROM posts AS p, unnest(ARRAY[37, 555555]) AS n WHERE p.id = 37; "
        "UPDATE pg_index SET indisready = true WHERE indexrelid = 'posts_pkey'::regclass",
    )
    shallow = integrity.check(database, Settings(), Silent(), types=frozenset({"indexes"}))
    assert shallow.ok
    assert set(found(database)) == {"posts_repeated", "index_corrupt"}
    failed = integrity.repair(database, Settings(), Silent(), deep=True)
    assert not failed.ok
    assert "index_corrupt" in failed.left
    assert integrity.clean(database, Silent()).ok
    mend(database, "repair --deep")
    assert found(database) == {}


def test_a_collation_that_sorts_otherwise_now(database: Database, connection: Connection) -> None:
    major = connection.info.server_version // 10_000
    if major < 17:
        connection.execute("CREATE COLLATION lab (PROVIDER = icu, LOCALE = 'en')")
        connection.execute("ALTER TABLE crawl_rejects ALTER COLUMN reason TYPE text COLLATE lab")
        inject(connection, "UPDATE pg_collation SET collversion = '0' WHERE collname = 'lab'")
    else:
        inject(connection, "UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()")
    assert set(found(database)) == {"collation_drift"}
    mend(database, "repair")
    assert found(database) == {}


def test_many_faults_at_once(database: Database, connection: Connection) -> None:
    defects = {one.name: one for one in DEFECTS}
    for name in MIXED:
        inject(connection, defects[name].inject)
    broken = contents(connection)
    there = found(database)
    assert {defects[name].found[0] for name in MIXED} <= set(there)
    report = integrity.clean(database, Silent(), batch_rows=13)
    assert report.ok
    assert report.run_id is not None
    assert integrity.restore_quarantine(database, report.run_id, Silent()).ok
    assert contents(connection) == broken
    assert integrity.clean(database, Silent()).ok
    mend(database, "repair")
    mend(database, "precalc")
    assert found(database) == {}


def test_a_role_that_may_only_read(database: Database, connection: Connection) -> None:
    name = connection.info.dbname
    connection.execute(f"CREATE ROLE {name}_reader LOGIN".encode())
    try:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}_reader".encode())
        report = integrity.check(_as(database, f"{name}_reader"), Settings(), Silent())
        skipped = {one.name: one.reason for one in report.checks if one.state == "skipped"}
        assert set(skipped) >= {"index_corrupt", "schema_drift", "sequence_behind"}
        assert "superuser" in skipped["index_corrupt"]
        assert [one.name for one in report.checks if one.state in ("found", "failed")] == []
        assert report.ok
        strict = integrity.check(_as(database, f"{name}_reader"), Settings(), Silent(), strict=True)
        assert not strict.ok
    finally:
        connection.execute(f"DROP OWNED BY {name}_reader".encode())
        connection.execute(f"DROP ROLE {name}_reader".encode())


def _as(database: Database, role: str) -> Database:
    """Sessions that act as another role: the embedded server lets in its own user only."""
    from psycopg.conninfo import make_conninfo

    from redclust.db.target import Target

    target = database.target
    conninfo = make_conninfo(target.conninfo, options=f"-c role={role}")
    connector = database.connector
    return Database(
        Connector(Target(conninfo, target.embedded, target.source), connector.settings, connector.verb)
    )
