"""A graph that fits on a page, with names that would break a table, a markup or an XML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redclust.db.session import Database

Row = tuple[Any, ...]

#: name, users, community, x, y; ids are subreddit_1 … in this order.
SUBREDDITS: list[Row] = [
    ("AskReddit", 900, None, 0.0, 0.0),
    ("golang", 120, 0, -1.5, 0.25),
    ("rust", 150, 0, -1.25, 0.5),
    ("programming", 400, 0, -1.0, 0.0),
    ("learnprogramming", 90, 0, -1.75, -0.25),
    ("[/r/aww]", 300, 1, 1.0, 1.0),
    (":fire:", 60, 1, 1.25, 1.25),
    ('cats<&>"dogs"\'', 60, 1, 1.5, 0.75),
    ("wallstreetbets", 250, 2, 0.5, -1.5),
    ("stocks", 200, 2, 0.75, -1.25),
    ("Émile", 5, None, -0.5, 2.0),
    ("unplaced", 4, None, None, None),
]
#: name, activity, community, x, y; ids are user_1 … in this order.
USERS: list[Row] = [
    ("gopher", 48, 0, -1.5, 0.2),
    ("[red]herring[/red]", 31, 1, 1.2, 1.0),
    (":tada:", 31, 1, 1.3, 1.1),
    ("stonks", 12, 2, 0.6, -1.4),
    ("Golang", 2, None, None, None),
]
#: id, label, subreddits, users
COMMUNITIES: list[Row] = [
    (0, "golang, rust, programming", 4, 61),
    (1, "[/r/aww], :fire:", 3, 44),
    (2, "wallstreetbets, stocks", 2, 30),
]
#: one, other (numbers of subreddits), shared users, weight
SHARED: list[Row] = [
    (2, 3, 40, 2.5),
    (2, 4, 60, 1.75),
    (3, 4, 75, 1.8125),
    (2, 5, 20, 2.25),
    (4, 5, 30, 1.5),
    (1, 2, 50, -0.75),
    (1, 4, 200, 0.25),
    (1, 6, 150, 0.125),
    (6, 7, 33, 2.0),
    (6, 8, 33, 2.0),
    (7, 8, 9, 1.25),
    (9, 10, 110, 3.5),
    (10, 12, 3, 1.0),
]
#: user, subreddit (numbers), activity
ACTIVE: list[Row] = [
    (1, 2, 30),
    (1, 3, 12),
    (1, 4, 6),
    (2, 6, 20),
    (2, 7, 11),
    (3, 6, 31),
    (4, 9, 12),
    (5, 1, 2),
]


@dataclass(frozen=True)
class Graph:
    """What the tables hold, for tests to compare with."""

    nodes: list[Row]
    links: list[Row]


def fill(database: Database) -> Graph:
    """Write the small graph and the runs of precalc that would have made it."""
    nodes = [
        (f"subreddit_{i}", name, val, "subreddit", x, y, community)
        for i, (name, val, community, x, y) in enumerate(SUBREDDITS, 1)
    ]
    nodes += [
        (f"user_{i}", name, val, "user", x, y, community)
        for i, (name, val, community, x, y) in enumerate(USERS, 1)
    ]
    links: list[Row] = []
    for one, other, shared, weight in SHARED:
        source, target = sorted((f"subreddit_{one}", f"subreddit_{other}"))
        links.append((source, target, "subreddit-subreddit", shared, weight))
    links += [(f"subreddit_{s}", f"user_{u}", "user-subreddit", n, None) for u, s, n in ACTIVE]
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, community_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            nodes,
        )
        cursor.executemany(
            "INSERT INTO graph_links (source, target, type, val, weight) VALUES (%s, %s, %s, %s, %s)", links
        )
        cursor.executemany(
            "INSERT INTO graph_communities (id, label, subreddits, users, pos_x, pos_y) "
            "VALUES (%s, %s, %s, %s, 0, 0)",
            COMMUNITIES,
        )
        cursor.execute(
            "INSERT INTO graph_communities "
            "(id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y) "
            "VALUES (3, 1, 0, 'golang, rust', '{compiler,generics}', 2, 50, 0, 0), "
            "(4, 1, 0, 'programming', '{}', 2, 11, 0, 0)"
        )
        cursor.execute(
            "UPDATE graph_nodes SET country_id = CASE WHEN name IN ('golang', 'rust') THEN 3 ELSE 4 END "
            "WHERE type = 'subreddit' AND community_id = 0"
        )
        cursor.execute(
            "INSERT INTO graph_community_links VALUES (0, 1, 2, 1.5), (0, 2, 5, 7.25), (3, 4, 3, 4.5)"
        )
        for status, day in (("completed", 1), ("completed", 2), ("failed", 3)):
            cursor.execute(
                "INSERT INTO precalc_runs (status, started_at, snapshot_at, finished_at, settings) "
                "SELECT %s, began, began + interval '1 min', began + interval '2 min', '{}' "
                "FROM make_timestamptz(2021, 4, %s, 10, 0, 0, 'UTC') AS began",
                (status, day),
            )
        cursor.executemany(
            "INSERT INTO subreddits (name) VALUES (%s)", [(name,) for name, *_ in SUBREDDITS] + [("quiet",)]
        )
        cursor.execute(
            "INSERT INTO users (name, bot_reason) VALUES ('AutoModerator', 'name'), ('busy', NULL)"
        )
    return Graph(nodes, links)
