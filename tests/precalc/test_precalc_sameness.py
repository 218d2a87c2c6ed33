"""The same data gives the same map, and a graph that has not changed is not written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from precalc_worlds import Compute, World, load, planted
from psycopg import IsolationLevel

from harness import settings_for
from redclust.config import PrecalcSettings
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.ops import precalc
from redclust.ops.precalc import swap
from redclust.report import Silent

TABLES = tuple(swap.TABLES.values())
INDEX_FILES = (
    "SELECT indexrelid, indexrelid::regclass::text FROM pg_index "
    "WHERE indrelid IN ('graph_nodes'::regclass, 'graph_links'::regclass) ORDER BY 2"
)


def versions(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Which version of each row the tables hold: another one after any write, also of the same values."""
    return {
        table: connection.execute(f"SELECT ctid, xmin FROM {table} ORDER BY ctid").fetchall()  # type: ignore[arg-type]
        for table in TABLES
    }


def map_by_names(connection: Connection) -> tuple[list[tuple[Any, ...]], ...]:
    """The whole map without surrogate ids."""
    return (
        connection.execute(
            "SELECT type, name, val, pos_x, pos_y, community_id FROM graph_nodes ORDER BY type, name"
        ).fetchall(),
        connection.execute("SELECT * FROM graph_communities ORDER BY id").fetchall(),
        connection.execute(
            "SELECT LEAST(a.name, b.name), GREATEST(a.name, b.name), l.type, l.val, l.weight "
            "FROM graph_links AS l JOIN graph_nodes AS a ON a.id = source "
            "JOIN graph_nodes AS b ON b.id = target ORDER BY 3, 1, 2"
        ).fetchall(),
    )


@pytest.fixture
def world() -> World:
    """Three topics, with subreddits and people by themselves, and a bot."""
    world = planted(3, 12, 500, seed=7)
    world.comments += [("loner", "Lonely"), ("topicbot", "topic0_1"), (None, "topic0_1"), ("Zoe", "TOPIC")]
    world.bots = frozenset({"topicbot"})
    return world


def test_unchanged_data_writes_no_row(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    put(world)
    compute()
    before = versions(connection)
    report = compute()
    assert versions(connection) == before
    assert report.figures.kept_communities
    assert sum(change.changed_rows for change in report.figures.changes) == 0


def test_after_a_change_the_same_data_again_writes_no_row(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    """The second map started from the first one's communities; the third starts from the second's."""
    put(world)
    compute()
    world.interactions += [(f"new{i}", f"topic{i % 3}_{i % 12}", 2) for i in range(100)]
    world.interactions += [(f"new{i}", f"topic{i % 3}_{i % 7}", 1) for i in range(100) if i % 12 != i % 7]
    put(world)
    changed = compute()
    assert not changed.figures.kept_communities
    before = versions(connection)
    compute()
    assert versions(connection) == before


def test_only_what_differs_is_written(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    put(world)
    compute()
    connection.execute("UPDATE graph_links SET val = val + 1 WHERE source = 'subreddit_1'")
    connection.execute("DELETE FROM graph_nodes WHERE id IN (SELECT id FROM graph_nodes LIMIT 3)")
    connection.execute("INSERT INTO graph_nodes (id, name, val, type) VALUES ('user_0', 'nobody', 1, 'user')")
    changes = {change.table: change for change in compute().figures.changes}
    assert changes["graph_nodes"].inserted_rows == 3
    assert changes["graph_nodes"].deleted_rows == 1
    assert changes["graph_links"].updated_rows > 0
    assert changes["graph_links"].inserted_rows == changes["graph_links"].deleted_rows == 0
    assert changes["user_subreddit_activity"].changed_rows == 0


def test_clear_writes_every_row_and_comes_to_the_same(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    put(world)
    compute()
    before, rows = map_by_names(connection), versions(connection)
    report = compute(clear=True)
    assert map_by_names(connection) == before
    assert not report.figures.kept_communities
    for table, old in rows.items():
        assert not set(old) & set(versions(connection)[table])


def test_the_order_of_ids_does_not_matter(
    put: Callable[..., None],
    compute: Compute,
    connection: Connection,
    clones: Any,
    bin_dir: Path | None,
    world: World,
) -> None:
    put(world)
    compute()
    other = Database(Connector(clones.make(), settings_for(bin_dir).database, "test"))
    with other.connect(autocommit=True) as session:
        load(session, world, shuffled=5)
        precalc.run(other, PrecalcSettings(), Silent())
        assert map_by_names(session) == map_by_names(connection)
        ids = "SELECT array_agg(id ORDER BY name) FROM graph_nodes"
        assert session.execute(ids).fetchone() != connection.execute(ids).fetchone()


def test_truncate_as_the_runbook_has_it_and_again(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    put(world)
    compute()
    before = map_by_names(connection)
    connection.execute("TRUNCATE TABLE graph_links")
    connection.execute("TRUNCATE TABLE graph_nodes")
    compute()
    assert map_by_names(connection) == before


def test_indexes_and_grants_survive(
    put: Callable[..., None], compute: Compute, connection: Connection, world: World
) -> None:
    """The first run builds them anew, by the same names and definitions; later ones do not touch them."""
    files = (
        "SELECT relname, relfilenode FROM pg_class WHERE relname LIKE 'graph%' OR relname LIKE 'idx_graph%' "
        "ORDER BY relname"
    )
    facts = (
        "SELECT relname, relacl::text, pg_get_indexdef(indexrelid), pg_get_constraintdef(k.oid), conname "
        "FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid "
        "LEFT JOIN pg_constraint AS k ON k.conindid = c.oid "
        "WHERE relname LIKE 'graph%' OR relname LIKE '%graph%idx' OR relname LIKE 'idx_graph%' ORDER BY 1"
    )
    connection.execute("GRANT SELECT ON graph_nodes, graph_links TO PUBLIC")
    connection.execute("CREATE INDEX idx_graph_of_an_operator ON graph_links (val) WHERE weight > 1")
    before = connection.execute(facts).fetchall()
    put(world)
    compute()
    assert connection.execute(facts).fetchall() == before
    in_files = connection.execute(files).fetchall()
    compute(clear=True)
    assert connection.execute(files).fetchall() == in_files


def test_a_first_graph_waits_neither_for_readers_nor_for_what_hangs_on_an_index(
    put: Callable[..., None], compute: Compute, connection: Connection, database: Database, world: World
) -> None:
    """Then it is written row by row, and is the same."""
    put(world)
    with database.connect() as reader:
        reader.isolation_level = IsolationLevel.REPEATABLE_READ
        assert reader.execute("SELECT count(*) FROM graph_links").fetchone() == (0,)
        before = connection.execute(INDEX_FILES).fetchall()
        compute()
        assert reader.execute("SELECT count(*) FROM graph_nodes").fetchone() == (0,)
    assert connection.execute(INDEX_FILES).fetchall() == before
    row_by_row = map_by_names(connection)
    connection.execute("TRUNCATE graph_nodes, graph_links, graph_communities, graph_community_links")
    connection.execute("TRUNCATE user_subreddit_activity, subreddit_relationships, precalc_runs CASCADE")
    before = connection.execute(INDEX_FILES).fetchall()
    compute()
    assert connection.execute(INDEX_FILES).fetchall() != before
    assert map_by_names(connection) == row_by_row
