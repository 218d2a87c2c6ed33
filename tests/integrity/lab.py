"""The world of the corruption lab, what is done to it, and what must be found."""

from __future__ import annotations

import random
from dataclasses import dataclass

from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity, precalc
from redclust.report import Silent

SUBREDDITS, USERS, POSTS, COMMENTS = 12, 60, 150, 900


def build(database: Database) -> None:
    """Subreddits, users, posts and comments of every kind, and the map of them."""
    rng = random.Random(6)
    home = {user: rng.sample(range(1, SUBREDDITS + 1), 4) for user in range(1, USERS + 1)}
    with database.connect(bulk=True, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO subreddits (name) SELECT 'Sub' || n FROM generate_series(1, %s) AS n", [SUBREDDITS]
        )
        connection.execute(
            "INSERT INTO users (name) SELECT 'User' || n FROM generate_series(1, %s) AS n", [USERS]
        )
        posts: list[tuple[int, int, int | None]] = []
        for number in range(1, POSTS + 1):
            author = rng.randint(1, USERS)
            posts.append((number * 37, rng.choice(home[author]), None if number % 11 == 0 else author))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO posts (id, subreddit_id, author_id, created_at, retrieved_at, title, score) "
                "VALUES (%s, %s, %s, '2024-01-01', '2024-02-01', E'a \"title\"\\n\\t\\\\ \u00e9\u4e2d', -5)",
                posts,
            )
            cursor.executemany(
                "INSERT INTO comments "
                "(id, post_id, parent_id, subreddit_id, author_id, score, created_at, body) "
                "VALUES (%s, %s, %s, %s, %s, %s, '2024-01-02 03:04:05.678901', "
                "E'line\\n\"quoted\" \\\\ \u2603')",
                list(_comments(rng, posts)),
            )
            connection.execute(
                "INSERT INTO posts (id, subreddit_id, placeholder) SELECT 100000 + n, 1 + n %% %s, true "
                "FROM generate_series(1, 20) AS n",
                [SUBREDDITS],
            )
            connection.execute(
                "INSERT INTO import_files (fingerprint, filters, name, kind, state) "
                "VALUES ('f', '', 'f.csv', 'interactions', 'complete')"
            )
            connection.execute(
                "INSERT INTO imported_interactions "
                "SELECT 1, 1 + n %% %s, 1 + n %% %s, n FROM generate_series(1, 40) AS n",
                [USERS, SUBREDDITS],
            )
        connection.execute("ANALYZE")
    precalc.run(database, PrecalcSettings(), Silent(), min_shared_users=1)


def _comments(rng: random.Random, posts: list[tuple[int, int, int | None]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    in_post: dict[int, list[int]] = {}
    for number in range(1, COMMENTS + 1):
        post, subreddit, _ = rng.choice(posts)
        earlier = in_post.setdefault(post, [])
        parent = rng.choice(earlier) if earlier and number % 3 else None
        author = None if number % 13 == 0 else rng.randint(1, USERS)
        rows.append((number * 101, post, parent, subreddit, author, rng.randint(-9, 99)))
        earlier.append(number * 101)
    return rows


@dataclass(frozen=True)
class Defect:
    """One way to break the lab, the checks that must find it, and the types whose clean mends it.

    ``found`` is the table of implications: its own check first, then those that must find it too.
    """

    name: str
    inject: str
    found: tuple[str, ...]
    mend: tuple[str, ...] = ("all",)


def _twice(table: str, key: str, where: str, also: tuple[str, ...] = ()) -> Defect:
    return Defect(
        f"{table} twice",
        f"ALTER TABLE {table} DROP CONSTRAINT {key}; INSERT INTO {table} SELECT * FROM {table} WHERE {where}",
        (f"{table}_repeated", *also),
        ("duplicates",),
    )


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "a subreddit gone",
        "DELETE FROM subreddits WHERE id = 3",
        (
            "post_subreddit_missing",
            "comment_subreddit_missing",
            "graph_node_source_missing",
        ),
    ),
    Defect(
        "a user gone",
        "DELETE FROM users WHERE id = 7",
        ("post_author_missing", "comment_author_missing", "graph_node_source_missing"),
    ),
    Defect("a post gone", "DELETE FROM posts WHERE id = 37", ("comment_post_missing",), ("comments",)),
    Defect(
        "a comment elsewhere",
        "UPDATE comments SET subreddit_id = 1 + subreddit_id % 12 WHERE id % 5 = 0",
        ("comment_subreddit_differs",),
        ("comments",),
    ),
    Defect(
        "a comment of an unknown user",
        "UPDATE comments SET author_id = 4000 WHERE id = 1010",
        ("comment_author_missing",),
        ("comments",),
    ),
    Defect(
        "a post of an unknown user",
        "UPDATE posts SET author_id = 4000 WHERE id % 3 = 0",
        ("post_author_missing",),
        ("posts",),
    ),
    Defect(
        "nodes gone",
        "DELETE FROM graph_nodes WHERE id IN ('subreddit_2', 'user_9')",
        ("graph_link_source_missing", "graph_link_target_missing"),
        ("graph-links",),
    ),
    Defect(
        "nodes of nothing",
        "INSERT INTO graph_nodes (id, name, val, type) VALUES "
        "('subreddit_999', 'x', 1, 'subreddit'), ('user_1x', 'y', 1, 'user'), ('user_01', 'z', 1, 'user'), "
        "('subreddit_1 ', 'w', 1, 'user'), ('user_99999999999999999999', 'v', 1, 'user')",
        ("graph_node_source_missing",),
        ("graph-nodes",),
    ),
    Defect(
        "links to nothing",
        "INSERT INTO graph_links (source, target, type, val) VALUES "
        "('subreddit_1', 'user_nobody', 'user-subreddit', 1), "
        "('subreddit_none', 'user_1', 'user-subreddit', 1)",
        ("graph_link_target_missing", "graph_link_source_missing"),
        ("graph-links",),
    ),
    _twice("posts", "posts_pkey", "id % 2 = 0"),
    _twice("comments", "comments_pkey", "id % 2 = 0"),
    _twice("users", "users_pkey CASCADE; DROP INDEX users_name_key", "id = 4"),
    _twice(
        "subreddits",
        "subreddits_pkey CASCADE; DROP INDEX subreddits_name_key",
        "id = 4",
    ),
    _twice("imported_interactions", "imported_interactions_pkey", "n % 2 = 0"),
    _twice("user_subreddit_activity", "user_subreddit_activity_pkey", "user_id = 1"),
    _twice("subreddit_relationships", "subreddit_relationships_pkey", "source_subreddit_id = 1"),
    _twice("graph_nodes", "graph_nodes_pkey", "type = 'user'"),
    _twice("graph_links", "graph_links_pkey", "source = 'subreddit_1'"),
)


def inject(connection: Connection, statements: str) -> None:
    """Break it behind the back of every key and trigger."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statements.encode())


def found(database: Database, *types: str) -> dict[str, int]:
    """What check finds: rows by the name of the check."""
    report = integrity.check(database, Silent(), types=frozenset(types))
    assert report.ok == (not any(one.state == "found" for one in report.checks))
    return {one.name: one.rows for one in report.checks if one.state == "found"}
