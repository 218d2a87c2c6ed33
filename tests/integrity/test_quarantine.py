"""What was taken out: put back exactly, refused where its place is taken, gone where one is forgotten."""

from __future__ import annotations

from lab import found, inject

from redclust.db import tombstones
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.report import Silent


def _count(connection: Connection, statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_row_whose_place_is_taken_stays(database: Database, connection: Connection) -> None:
    inject(connection, "DELETE FROM posts WHERE id = 37")
    run_id = integrity.clean(database, Silent()).run_id
    assert run_id is not None
    rows = _count(connection, "SELECT count(*) FROM quarantine")
    assert rows > 1
    connection.execute(
        "INSERT INTO comments SELECT (json_populate_record(NULL::comments, content)).* "
        "FROM quarantine ORDER BY n LIMIT 1"
    )
    report = integrity.restore_quarantine(database, run_id, Silent())
    assert not report.ok
    assert (report.restored_rows, report.left_rows) == (rows - 1, 1)
    assert "comments_pkey" in report.refused[0]
    assert _count(connection, "SELECT count(*) FROM quarantine") == 1


def test_a_column_that_was_written_since_stays(database: Database, connection: Connection) -> None:
    inject(connection, "UPDATE comments SET author_id = 4000 WHERE id IN (101, 202)")
    run_id = integrity.clean(database, Silent()).run_id
    assert run_id is not None
    connection.execute("UPDATE comments SET author_id = 5 WHERE id = 101")
    report = integrity.restore_quarantine(database, run_id, Silent())
    assert (report.ok, report.restored_rows, report.left_rows) == (False, 1, 1)
    rows = connection.execute(
        "SELECT id, author_id FROM comments WHERE id IN (101, 202) ORDER BY id"
    ).fetchall()
    assert rows == [(101, 5), (202, 4000)]


def test_two_faults_of_one_row_are_mended_in_one_run_and_both_taken_back(
    database: Database, connection: Connection
) -> None:
    inject(
        connection,
        "UPDATE comments SET author_id = 4000, subreddit_id = 1 + subreddit_id % 12 WHERE id = 101",
    )
    before = connection.execute("SELECT author_id, subreddit_id FROM comments WHERE id = 101").fetchone()
    report = integrity.clean(database, Silent())
    assert {one.reason: one.changed_rows for one in report.cleaned} == {
        "comment_subreddit_differs": 1,
        "comment_author_missing": 1,
    }
    assert found(database) == {}
    assert report.run_id is not None
    assert integrity.restore_quarantine(database, report.run_id, Silent()).ok
    after = connection.execute("SELECT author_id, subreddit_id FROM comments WHERE id = 101").fetchone()
    assert after == before


def test_who_is_forgotten_is_forgotten_there_too(database: Database, connection: Connection) -> None:
    author = _count(
        connection, "SELECT author_id FROM comments WHERE post_id = 37 AND author_id IS NOT NULL LIMIT 1"
    )
    inject(connection, "DELETE FROM posts WHERE id = 37")
    integrity.clean(database, Silent())
    theirs = f"SELECT count(*) FROM quarantine WHERE content ->> 'author_id' = '{author}'"
    rows = _count(connection, "SELECT count(*) FROM quarantine")
    assert _count(connection, theirs) > 0
    with connection.transaction():
        tombstones.add_names(connection, [f"User{author}"], reason="forgotten")
    tombstones.apply(connection)
    assert _count(connection, theirs) == 0
    assert 0 < _count(connection, "SELECT count(*) FROM quarantine") < rows


def test_what_was_deleted_since_comes_back_blank(database: Database, connection: Connection) -> None:
    inject(connection, "DELETE FROM posts WHERE id = 37")
    identity = _count(connection, "SELECT min(id) FROM comments WHERE post_id = 37")
    run_id = integrity.clean(database, Silent()).run_id
    assert run_id is not None
    tombstones.add_things(connection, "comment", [identity], reason="deleted")
    assert integrity.restore_quarantine(database, run_id, Silent()).ok
    row = connection.execute("SELECT author_id, body FROM comments WHERE id = %s", [identity]).fetchone()
    assert row == (None, "[deleted]")
