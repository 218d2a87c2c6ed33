"""The queries that a person waits for read indexes, on a graph large enough for the planner to care."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import big_graph

from redclust.db.session import Database
from redclust.sql import query

SUBREDDITS = 4_000
USERS = 12_000

BOTH = ["subreddit", "user"]
HOT: list[tuple[str, dict[str, Any]]] = [
    ("node_by_id", {"id": "user_7"}),
    ("node_by_name", {"name": "User-7", "types": BOTH}),
    ("neighbours", {"id": "subreddit_2000", "by": "weight", "limit": 15}),
    ("neighbours", {"id": "user_7", "by": "shared", "limit": 15}),
    ("top", {"type": "subreddit", "limit": 20}),
    ("top", {"type": "user", "limit": 20}),
    ("members", {"id": 3, "limit": 20}),
    ("names_near", {"name": "subreddot-12", "types": BOTH}),
    ("shown_run", {}),
]


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes_of(child)


def test_hot_queries_read_indexes(database: Database) -> None:
    big_graph.fill(database, subreddits=SUBREDDITS, users=USERS)
    with database.connect() as connection:
        for name, parameters in HOT:
            (plan,) = connection.execute(
                "EXPLAIN (FORMAT json) " + query("graph", name), parameters
            ).fetchall()
            read = {n["Relation Name"] for n in nodes_of(plan[0][0]["Plan"]) if n["Node Type"] == "Seq Scan"}
            assert not read & {"graph_links", "graph_nodes"}, (name, parameters, plan)
        hub = {"id": "subreddit_1", "by": "weight", "limit": 15}
        (plan,) = connection.execute(
            "EXPLAIN (ANALYZE, FORMAT json) " + query("graph", "neighbours"), hub
        ).fetchall()
    read = [n for n in nodes_of(plan[0][0]["Plan"]) if n.get("Relation Name") == "graph_links"]
    assert "Seq Scan" not in {n["Node Type"] for n in read}
    # Of its 12,000 users none is read.
    assert sum(n["Actual Rows"] for n in read) == 5
