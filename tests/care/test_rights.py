"""What each command does for who may only read, who may maintain, and who owns all but the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from harness import Redclust
from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity, reindex, vacuum
from redclust.report import Silent

MakeRole = Callable[..., str]
READS = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}"
#: What may only read gets from each command: all that it may see, or one line that says what it lacks.
READER: tuple[tuple[str, int, str], ...] = (
    ("integrity check", 3, "sequence_behind was skipped: permission denied"),
    ("integrity clean --dry-run", 0, "at most 10 rows"),
    ("integrity clean", 11, "Permission denied by the database"),
    ("integrity repair --dry-run", 11, "neither owns the table nor may maintain it"),
    ("integrity repair", 11, "neither owns the table nor may maintain it"),
    ("integrity stats", 0, "this role may not write run_history"),
    ("integrity bloat", 0, "0 bloated"),
    ("integrity quarantine ls", 0, "(no end)"),
    ("integrity quarantine restore 1", 11, "Permission denied by the database"),
    ("integrity quarantine drop --older-than 0s --confirm {database}", 11, "Permission denied"),
    ("vacuum posts", 11, "GRANT pg_maintain"),
    ("vacuum --full posts --confirm {database}", 11, "GRANT pg_maintain"),
    ("reindex posts", 11, "GRANT pg_maintain"),
    ("maintenance", 3, "not all of it"),
    ("db activity", 0, "Nobody waits for a lock"),
    ("db slow", 0, "pg_stat_statements"),
    ("db slow --enable-log 1s", 11, "GRANT SET ON PARAMETER"),
    ("db locks", 0, "No lock"),
    ("db connections", 0, "connections"),
    ("db terminate-idle --older-than 10m --yes", 0, "No session"),
    ("db settings", 0, "max_connections"),
    ("db log", 2, "on its machine"),
    ("doctor disk", 0, ""),
)


@pytest.fixture(autouse=True)
def _orphans(connection: Connection) -> None:
    """Ten comments of nothing, an index and a key that do not hold, and a run in the quarantine."""
    connection.execute("INSERT INTO subreddits (name) VALUES ('a')")
    comments = (
        "INSERT INTO comments (id, post_id, subreddit_id, created_at, body) "
        "SELECT n, n, 1, now(), 'x' FROM generate_series({}, {}) AS n"
    )
    connection.execute(comments.format(11, 15).encode())
    connection.execute("INSERT INTO quarantine_runs (types, batch_rows) VALUES ('{all}', 1000)")
    connection.execute(
        "INSERT INTO quarantine (run_id, n, table_name, reason, content) "
        "SELECT 1, row_number() OVER (), 'comments', 'x', row_to_json(t) FROM comments AS t"
    )
    connection.execute("DELETE FROM comments")
    connection.execute(comments.format(1, 10).encode())
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_graph_nodes_val'::regclass"
    )


def contents(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT (SELECT array_agg(t::text ORDER BY id) FROM comments AS t), "
        "(SELECT array_agg(q::text ORDER BY n) FROM quarantine AS q), (SELECT count(*) FROM quarantine_runs)"
    ).fetchall()


def test_who_may_only_read(
    connection: Connection, database: Database, make_role: MakeRole, redclust: Redclust
) -> None:
    """What cannot be done is refused in a line, and nothing is done by half."""
    before = contents(connection)
    url = database.target.url()
    url += f"{'&' if '?' in url else '?'}options=-c%20role%3D{make_role(READS)}"
    name = connection.info.dbname
    for command, code, told in READER:
        done = redclust(*command.format(database=name).split(), env={"DATABASE_URL": url})
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert told in done.stdout + done.stderr, (command, done.stdout, done.stderr)
        if code not in (0, 3):
            *_, error, hint = done.stderr.splitlines()
            assert error.startswith("redclust: ")
            assert hint.startswith("HINT: ")
        assert contents(connection) == before, command


def test_who_may_maintain_mends_indexes_and_nothing_else(
    connection: Connection, make_role: MakeRole, acting_as: Callable[[str], Database]
) -> None:
    if connection.info.server_version < 170000:
        pytest.skip("pg_maintain is of Postgres 17")
    keeper = acting_as(make_role("GRANT pg_maintain TO {}", READS))
    before = contents(connection)
    report = integrity.repair(keeper, Settings(), Silent())
    states = {one.what: one.state for one in report.actions}
    assert states["build the index anew"] == "done"
    assert states["look at sequences"] == "failed"
    assert not report.ok
    assert integrity.check(keeper, Settings(), Silent(), types=frozenset({"duplicates"})).ok
    assert vacuum.vacuum(keeper, ("comments",), Silent()).ok
    assert reindex.reindex(keeper, reindex.Request(("comments",)), Silent()).ok
    assert contents(connection) == before


def test_the_owner_mends_everything(
    connection: Connection, make_role: MakeRole, acting_as: Callable[[str], Database]
) -> None:
    """Without superuser rights: what needs them is skipped, named, and no reason to fail."""
    role = make_role()
    name = sql.Identifier(role)
    for kind, names in (
        ("DATABASE", "SELECT current_database()"),
        ("SCHEMA", "SELECT 'public'"),
        ("FUNCTION", "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"),
        (
            "TABLE",
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        ),
    ):
        for (one,) in connection.execute(names.encode()).fetchall():
            change = sql.SQL(f"ALTER {kind} {{}} OWNER TO {{}}")  # type: ignore[arg-type]
            connection.execute(change.format(sql.Identifier(one), name))
    owner = acting_as(role)
    found = integrity.check(owner, Settings(), Silent())
    assert {one.name for one in found.checks if one.state == "found"} == {
        "comment_post_missing",
        "index_invalid",
    }
    assert {one.name for one in found.checks if one.state == "skipped"} == {"index_corrupt"}
    assert integrity.clean(owner, Silent()).ok
    assert integrity.repair(owner, Settings(), Silent()).ok
    assert vacuum.vacuum(owner, (), Silent()).ok
    assert reindex.reindex(owner, reindex.Request(("comments", "graph_nodes")), Silent()).ok
    assert integrity.check(owner, Settings(), Silent()).ok
    assert integrity.restore_quarantine(owner, 1, Silent()).ok
