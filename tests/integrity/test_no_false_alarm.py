"""Nothing is found where nothing is wrong: real dumps, and what a precalc and more data make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import found

from harness import Clones, settings_for
from redclust.config import Settings
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops import integrity, precalc
from redclust.ops.import_ import import_files
from redclust.report import Silent

REAL = ("RC_2021-04_small.zst", "RS_2013_top_100subs.zst", "user_subreddit_edges.csv.zst")


@pytest.mark.soak
def test_real_dumps(clones: Clones, bin_dir: Path | None, shared_data: Path, tmp_path: Path) -> None:
    database = Database(Connector(clones.make(), settings_for(bin_dir).database, "test"))

    def bring(*names: str) -> None:
        files = [shared_data / name for name in names]
        report = import_files(
            database, files, filters=Filters(), batch_rows=20_000, rejects_dir=tmp_path, progress=Silent()
        )
        assert report.exit_code in (0, 3)

    bring(REAL[0], REAL[2])
    assert _found(database) == ({}, {"activity_differs", "overlap_differs"})
    precalc.run(database, Settings().precalc, Silent())
    assert _found(database) == ({}, set())
    bring(REAL[1])
    assert found(database) == {}
    precalc.run(database, Settings().precalc, Silent())
    assert found(database) == {}
    assert integrity.clean(database, Silent(), dry_run=True).cleaned == ()


def _found(database: Database) -> tuple[dict[str, int], set[str]]:
    report = integrity.check(database, Settings(), Silent(), deep=True)
    rows = {one.name: one.rows for one in report.checks if one.state in ("found", "failed")}
    return rows, {one.name for one in report.checks if one.state == "skipped"}


def test_what_changes_after_a_precalc_is_stale_and_no_fault(database: Database) -> None:
    """Rows that come, go, and change their author or place, and accounts that go, are of another time."""
    with database.connect(autocommit=True) as connection:
        for change in (
            "DELETE FROM comments WHERE id % 7 = 0",
            "UPDATE comments SET author_id = NULL WHERE id % 11 = 0",
            "UPDATE posts SET author_id = 1 + author_id % 60 WHERE id % 5 = 0",
            "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
            "SELECT 500000 + id, id, subreddit_id, 1 + id % 60, now(), 'x' FROM posts WHERE NOT placeholder",
            "UPDATE imported_interactions SET n = n + 1 WHERE user_id < 9",
            "DELETE FROM graph_links WHERE source = 'user_8' OR target = 'user_8'; "
            "DELETE FROM graph_nodes WHERE id = 'user_8'; "
            "DELETE FROM user_subreddit_activity WHERE user_id = 8; "
            "UPDATE comments SET author_id = NULL WHERE author_id = 8; "
            "UPDATE posts SET author_id = NULL WHERE author_id = 8; "
            "DELETE FROM imported_interactions WHERE user_id = 8; DELETE FROM users WHERE id = 8",
            "UPDATE users SET bot_reason = 'name' WHERE id = 9",
            "TRUNCATE graph_links; TRUNCATE graph_nodes",
        ):
            connection.execute(change.encode())
            assert found(database) == {}, change
    report = integrity.check(database, Settings(), Silent(), types=frozenset({"activity"}))
    assert all(one.stale for one in report.checks)
    assert report.ok
    precalc.run(database, Settings().precalc, Silent(), min_shared_users=1)
    report = integrity.check(database, Settings(), Silent(), types=frozenset({"activity"}))
    assert [one.stale for one in report.checks] == [0, 0]


def test_a_writer_inside_at_the_snapshot_is_no_fault(database: Database) -> None:
    """Also one that writes in a savepoint, whose own number no snapshot lists."""
    with database.connect() as writer, database.connect(autocommit=True) as connection:
        writer.execute("SELECT pg_current_xact_id()")
        with writer.transaction():
            writer.execute(
                "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
                "SELECT 700000 + id, id, subreddit_id, 3, now(), 'x' FROM posts WHERE NOT placeholder"
            )
        connection.execute("SELECT pg_current_xact_id()")
        precalc.run(database, Settings().precalc, Silent(), min_shared_users=1)
        writer.commit()
    assert found(database) == {}
    with database.connect(autocommit=True) as connection:
        stale = integrity.check(database, Settings(), Silent(), types=frozenset({"activity"}))
        assert stale.checks[0].stale > 0
        del connection


def test_a_copy_by_dump_is_not_judged_by_numbers_of_another_server(database: Database) -> None:
    """The transactions that wrote the rows of a copy say nothing of the snapshot of the original."""
    with database.connect(autocommit=True) as connection:
        # What a restore does: the same row, written by another transaction.
        connection.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM precalc_marks")
        connection.execute("DELETE FROM precalc_marks")
        connection.execute("INSERT INTO precalc_marks SELECT * FROM kept")
        connection.execute("UPDATE comments SET body = body || '.'")
    report = integrity.check(database, Settings(), Silent(), types=frozenset({"activity"}))
    assert {one.state for one in report.checks} == {"skipped"}
    assert all("redclust precalc" in one.reason for one in report.checks)
