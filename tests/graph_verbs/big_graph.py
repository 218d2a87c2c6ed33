"""A graph of any size, made by the server: subreddit_1 is linked to every user."""

from __future__ import annotations

from redclust.db.session import Database

_NODES = """
INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, community_id)
SELECT %(type)s || '_' || i, %(type)s || '-' || i, 1000000 / i, %(type)s, i %% 997, i %% 991, i %% 20
FROM generate_series(1, %(n)s) AS i
"""
_RELATED = """
INSERT INTO graph_links (source, target, type, val, weight)
SELECT LEAST(a, b), GREATEST(a, b), 'subreddit-subreddit', 3 + step, 0.5 * step
FROM (
    SELECT ('subreddit_' || i) COLLATE "C" AS a, ('subreddit_' || i + step) COLLATE "C" AS b, step
    FROM generate_series(1, %(n)s) AS i, generate_series(1, 5) AS step
    WHERE i + step <= %(n)s
) AS pairs
"""
_ACTIVE = """
INSERT INTO graph_links (source, target, type, val)
SELECT DISTINCT 'subreddit_' || subreddit, 'user_' || i, 'user-subreddit', 1
FROM generate_series(1, %(users)s) AS i,
     LATERAL (VALUES (1), (1 + i %% %(subreddits)s), (1 + i * 7 %% %(subreddits)s)) AS s (subreddit)
"""


def fill(database: Database, *, subreddits: int, users: int) -> None:
    """Replace the graph by one of about ``5 * subreddits + 3 * users`` links."""
    with database.connect(bulk=True) as connection:
        connection.execute("TRUNCATE graph_links, graph_nodes, graph_communities")
        connection.execute(_NODES, {"type": "subreddit", "n": subreddits})
        connection.execute(_NODES, {"type": "user", "n": users})
        connection.execute(_RELATED, {"n": subreddits})
        connection.execute(_ACTIVE, {"subreddits": subreddits, "users": users})
        connection.execute(
            "INSERT INTO graph_communities "
            "SELECT i, 'label ' || i, 1, 1, 0, 0 FROM generate_series(0, 19) AS i"
        )
        connection.execute("ANALYZE graph_links, graph_nodes, graph_communities")
