"""integrity stats: counts that are counts, estimates that say so, and growth since the last run."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg

from harness import Redclust
from redclust.config import MaintenanceSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.ops.integrity import StatsReport, TableStats
from redclust.report import Silent


def of(report: StatsReport, table: str) -> TableStats:
    (found,) = (one for one in report.tables if one.table == table)
    return found


def run(database: Database, *, exact: bool = False, **settings: float) -> StatsReport:
    return integrity.stats(database, MaintenanceSettings.model_validate(settings), Silent(), exact=exact)


def fill(connection: Connection, rows: int) -> None:
    connection.execute("ALTER TABLE posts SET (autovacuum_enabled = false)")
    connection.execute(
        "INSERT INTO posts (id, subreddit_id, placeholder, title, created_at) "
        "SELECT n, 1, n %% 4 = 0, 't', now() FROM "
        "generate_series((SELECT count(*) FROM posts), (SELECT count(*) FROM posts) + %(n)s - 1) AS n",
        {"n": rows},
    )


def test_rows_and_sizes_are_those_of_the_server(database: Database, connection: Connection) -> None:
    fill(connection, 2000)
    report = run(database)
    posts = of(report, "posts")
    assert (posts.rows, posts.exact, posts.placeholder_rows) == (2000, True, 500)
    row = connection.execute(
        "SELECT pg_total_relation_size('posts'), pg_indexes_size('posts'), pg_relation_size('posts_pkey')"
    ).fetchone()
    assert (posts.total_bytes, posts.index_bytes, posts.indexes[0].size_bytes) == row
    assert posts.total_bytes == sum(
        part or 0 for part in (posts.main_bytes, posts.toast_bytes, posts.index_bytes)
    )
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    assert abs(report.size_bytes - row[0]) < 100_000
    assert report.tables[0].table == "posts", "the largest first"
    assert report.xids_to_wraparound > 2_000_000_000
    assert report.ok


def test_above_a_size_the_estimate_is_marked(
    redclust: Redclust, database: Database, connection: Connection
) -> None:
    fill(connection, 4000)
    connection.execute("ANALYZE posts")
    posts = of(run(database, exact_rows_mb=0), "posts")
    assert (posts.exact, posts.rows) == (False, 4000)
    assert abs((posts.placeholder_rows or 0) - 1000) < 200
    assert of(run(database, exact=True, exact_rows_mb=0), "posts").exact
    env = {"REDCLUST_MAINTENANCE__EXACT_ROWS_MB": "0"}
    told = redclust("integrity", "stats", env=env, check=0, fresh=True).stdout
    assert "~4000" in told
    assert "~ is the server's estimate" in told


def test_growth_is_since_the_last_run(redclust: Redclust, database: Database, connection: Connection) -> None:
    fill(connection, 1000)
    first = run(database)
    assert (first.size_growth_bytes, of(first, "posts").rows_growth, first.recorded) == (None, None, True)
    fill(connection, 500)
    second = run(database)
    posts = of(second, "posts")
    assert posts.rows_growth == 500
    assert (posts.bytes_growth or 0) > 0
    assert second.compared_with_at is not None
    document = json.loads(redclust("integrity", "stats", "--format", "json", check=0).stdout)
    assert document["schema"] == "redclust.integrity.stats/1"
    assert {t["table"]: t["rows_growth"] for t in document["tables"]}["posts"] == 0


def test_a_locked_table_is_not_waited_for(
    database: Database, session: Callable[..., psycopg.Connection[tuple[object, ...]]]
) -> None:
    session("psql").execute("LOCK TABLE posts")
    posts = of(run(database), "posts")
    assert (posts.total_bytes, posts.exact) == (None, False)


def test_a_role_that_may_only_read(
    connection: Connection, make_role: Callable[..., str], acting_as: Callable[[str], Database]
) -> None:
    fill(connection, 100)
    reader = make_role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
    report = run(acting_as(reader))
    assert (of(report, "posts").rows, report.recorded, report.ok) == (100, False, True)
    # The estimate takes the place of a count that it may not make.
    some = make_role("GRANT SELECT ON redclust_migrations, run_history TO {}")
    posts = of(run(acting_as(some)), "posts")
    assert (posts.exact, posts.placeholder_rows) == (False, 0)
