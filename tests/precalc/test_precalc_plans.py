"""The plans that keep a precalc linear and its memory bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from precalc_worlds import Compute, planted

from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.ops.precalc import detailed, staging, swap
from redclust.sql import query


def plan(connection: Connection, statement: str, **values: str) -> str:
    rows = connection.execute("EXPLAIN " + statement, values or None)  # type: ignore[call-overload]
    return "\n".join(str(row[0]) for row in rows)


def test_activity_is_fetched_by_ranges_of_pages(connection: Connection, put: Callable[..., None]) -> None:
    put(planted(3, 10, 400, seed=1))
    for table in ("posts", "comments", "imported_interactions"):
        found = plan(connection, query("precalc", f"{table}_packed"), first="(0,0)", last="(1,0)")
        assert f"Tid Range Scan on {table}" in found
        assert "Sort" not in found


def test_no_difference_is_looked_for_row_by_row(connection: Connection, put: Callable[..., None]) -> None:
    put(planted(3, 10, 400, seed=1))
    with connection.transaction():
        rules = {"spread": 0.4, "things": 50, "people": [], "bots": []}
        for name in (
            "stage_regular_users",
            "stage_users",
            "stage_subreddits",
            "stage_activity",
            "stage_placed_subreddits",
            "stage_placed_users",
            "stage_pairs",
            "stage_communities",
            "stage_community_links",
            "analyze_staged",
            "analyze_regions",
        ):
            values = rules if name in ("stage_regular_users", "stage_users") else None
            connection.execute(query("precalc", name), values)
        detailed.choose(connection, PrecalcSettings(), np.empty(0, np.int32))
        detailed.stage(connection, PrecalcSettings())
        staging.define(connection)
        for name in swap.TABLES:
            found = plan(connection, query("precalc", f"stage_{name}_changes"))
            assert "Full Join" in found
            assert "Nested Loop" not in found.splitlines()[0]


def test_versions_are_compared_by_hash_though_statistics_are_old(
    connection: Connection, put: Callable[..., None], compute: Compute
) -> None:
    for seed in (1, 2, 3):
        connection.execute("ANALYZE")
        put(planted(3, 10, 300, seed=seed))
        newest = compute(minimum=2).run_id
    statement = query("versions", "diff_links") % {"a": newest - 1, "b": newest}
    assert "Nested Loop" in plan(connection, statement)
    with connection.transaction():
        connection.execute(query("versions", "by_hash"))
        assert "Nested Loop" not in plan(connection, statement)


def test_stored_links_are_looked_for_by_hash_and_rows_by_their_place(connection: Connection) -> None:
    """Of a table without statistics and of texts that are made, a planner left alone expects one row."""
    with connection.transaction():
        for step in ("stage_gone", "by_hash"):
            connection.execute(query("top_links", step))
        assert "Hash Join" in plan(connection, query("top_links", "remove_gone"))
    with connection.transaction():
        connection.execute(
            "CREATE TEMPORARY TABLE links_changes AS "
            "SELECT ctid AS place, false AS gone, l.* FROM graph_links AS l"
        )
        connection.execute(query("precalc", "join_by_place"), {"others": "off"})
        assert "Tid Scan" in plan(connection, query("precalc", "update_links"))
