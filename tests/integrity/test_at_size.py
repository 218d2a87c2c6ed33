"""What a check and a clean of ten million comments cost, beside what the server itself needs; printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from harness import Clones, settings_for
from redclust.config import Settings
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.ops.integrity.moment import one_moment
from redclust.report import Silent

pytestmark = pytest.mark.soak
COMMENTS, POSTS, USERS, SUBREDDITS = 10_000_000, 1_000_000, 1_000_000, 10_000
#: Post, subreddit, author, parent, and the subreddit of the post.
REFERENCES = 5
#: Ids as Reddit's are, with others between them; all comments were seen by a crawl.
ROWS = f"""
SET synchronous_commit = off;
INSERT INTO subreddits (name) SELECT 'Sub' || n FROM generate_series(1, {SUBREDDITS}) AS n;
INSERT INTO users (name) SELECT 'User' || n FROM generate_series(1, {USERS}) AS n;
INSERT INTO posts (id, subreddit_id, author_id, created_at, title)
SELECT 5000000000 + n * 7, 1 + (power(random(), 3) * {SUBREDDITS - 1})::int,
       CASE WHEN random() < 0.9 THEN 1 + (power(random(), 3) * {USERS - 1})::int END, now(), 'title ' || n
FROM generate_series(1, {POSTS}) AS n;
CREATE TEMPORARY TABLE numbered AS SELECT row_number() OVER () AS k, id, subreddit_id FROM posts;
INSERT INTO comments (id, post_id, parent_id, subreddit_id, author_id, created_at, body)
SELECT 90000000000 + c.n * 9, p.id, CASE WHEN c.n % 10 = 0 THEN 90000000000 + (c.n - 5) * 9 END,
       p.subreddit_id, CASE WHEN random() < 0.9 THEN 1 + (power(random(), 3) * {USERS - 1})::int END, now(),
       repeat('x', 20 + (260 * random())::int)
FROM (SELECT n, 1 + (n - 1) / {COMMENTS // POSTS} AS k FROM generate_series(1, {COMMENTS}) AS n OFFSET 0) AS c
JOIN numbered AS p USING (k);
INSERT INTO post_looks (id, num_comments, reach, comment_ids)
SELECT post_id, count(*), 'all', array_agg(id) FROM comments GROUP BY post_id;
"""


@contextmanager
def timed(took_s: list[float]) -> Generator[None]:
    started_s = time.perf_counter()
    yield
    took_s.append(time.perf_counter() - started_s)


@pytest.fixture
def large(clones: Clones) -> Database:
    database = Database(Connector(clones.make(), settings_for(None).database, "test"))
    with database.connect(bulk=True, autocommit=True) as connection:
        connection.execute(ROWS.encode())
        connection.execute("VACUUM (ANALYZE)")
    return database


def count(database: Database) -> None:
    """One sequential count, with all that the server gives: in parallel, where it does so by itself."""
    with database.connect(bulk=True, autocommit=True) as connection, one_moment(connection, read_only=True):
        assert connection.execute("SELECT count(*) FROM comments").fetchone() == (COMMENTS,)


def test_ten_million_comments(large: Database, capsys: pytest.CaptureFixture[str]) -> None:
    counts_s, checks_s = list[float](), list[float]()
    count(large)
    for _ in range(3):
        with timed(counts_s):
            count(large)
        with timed(checks_s):
            report = integrity.check(large, Settings(), Silent(), types=frozenset({"comments"}))
        assert len(report.checks) == REFERENCES
        assert {one.state for one in report.checks} == {"clean"}
    ratios = [check_s / count_s / REFERENCES for check_s, count_s in zip(checks_s, counts_s, strict=True)]
    told = " ".join(f"{ratio:.2f}" for ratio in ratios)
    say(f"count {seconds(counts_s)}; check of {REFERENCES} references {seconds(checks_s)}", capsys)
    say(f"a reference costs so many counts: {told}", capsys)
    _orphans(large, capsys)


def _orphans(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of the comments lose their post: out in batches, back, and out again, beside one DELETE."""
    with database.connect(bulk=True, autocommit=True) as connection:
        connection.execute("DELETE FROM posts WHERE id % 10 = 3")
        orphans = _first(connection, "SELECT count(*) FROM comments WHERE post_id % 10 = 3")
        assert orphans == COMMENTS // 10
        connection.execute("VACUUM (ANALYZE) posts")
        for batch_rows in (1_000, 10_000):
            deletes_s, cleans_s = list[float](), list[float]()
            with timed(deletes_s), connection.transaction(force_rollback=True):
                connection.execute(
                    "DELETE FROM comments AS t "
                    "WHERE NOT EXISTS (SELECT FROM posts AS p WHERE p.id = t.post_id)"
                )
            with timed(cleans_s):
                report = integrity.clean(
                    database, Silent(), types=frozenset({"comments"}), batch_rows=batch_rows
                )
            removed = {one.reason: one.removed_rows for one in report.cleaned}
            assert (report.ok, removed["comment_post_missing"]) == (True, orphans)
            assert _first(connection, "SELECT count(*) FROM quarantine") == sum(removed.values())
            told = f"clean of {orphans:,} at batch {batch_rows:,} {seconds(cleans_s)}"
            ratio = cleans_s[0] / deletes_s[0]
            say(f"{told}, one DELETE {seconds(deletes_s)}: {ratio:.2f} times", capsys)
            assert report.run_id is not None
            restored = integrity.restore_quarantine(database, report.run_id, Silent())
            assert (restored.ok, _first(connection, "SELECT count(*) FROM comments")) == (True, COMMENTS)
            connection.execute("VACUUM (ANALYZE) comments")


def _first(connection: Connection, statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def say(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{told}")


def seconds(took_s: list[float]) -> str:
    return " ".join(f"{one_s:.2f}" for one_s in took_s) + " s"
