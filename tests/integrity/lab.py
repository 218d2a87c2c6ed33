"""The world of the corruption lab, what is done to it, and what must be found."""

from __future__ import annotations

import random
from dataclasses import dataclass

from redclust.config import PrecalcSettings, Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity, precalc
from redclust.queue import rescue
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
    """One way to break the lab, the checks that must find it, and what mends it.

    ``found`` is the table of implications: its own check first, then those that must find it too. ``clean``
    are the types to clean, None where cleaning is not what mends; ``then`` are the verbs that follow.
    """

    name: str
    inject: str
    found: tuple[str, ...]
    clean: tuple[str, ...] | None = None
    then: tuple[str, ...] = ()


def _twice(table: str, key: str, where: str, *also: str, columns: str = "") -> Defect:
    into = f"{table} ({columns})" if columns else table
    again = f"INSERT INTO {into} SELECT {columns or '*'} FROM {table} WHERE {where}"
    return Defect(
        f"{table} twice",
        f"ALTER TABLE {table} DROP CONSTRAINT {key}; {again}",
        (f"{table}_repeated", "schema_drift", *also),
        ("duplicates",),
        ("repair",),
    )


_ALL: tuple[str, ...] = ()
DEFECTS: tuple[Defect, ...] = (
    Defect(
        "a subreddit gone",
        "DELETE FROM subreddits WHERE id = 3",
        ("post_subreddit_missing", "comment_subreddit_missing", "graph_node_source_missing", "key_broken"),
        _ALL,
    ),
    Defect(
        "a user gone",
        "DELETE FROM users WHERE id = 7",
        ("post_author_missing", "comment_author_missing", "graph_node_source_missing", "key_broken"),
        _ALL,
    ),
    Defect("a post gone", "DELETE FROM posts WHERE id = 37", ("comment_post_missing",), ("comments",)),
    Defect(
        "an answered comment gone that a crawl has seen",
        "INSERT INTO post_looks (id, num_comments, reach, comment_ids) "
        "SELECT post_id, count(*), 'all', array_agg(id) FROM comments GROUP BY post_id; "
        "DELETE FROM comments WHERE id IN (SELECT parent_id FROM comments WHERE id > 50000 LIMIT 3)",
        ("comment_parent_missing",),
        ("comments",),
    ),
    Defect(
        "comments elsewhere",
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
        "posts of an unknown user",
        "UPDATE posts SET author_id = 4000 WHERE id % 3 = 0",
        ("post_author_missing",),
        ("posts",),
    ),
    Defect(
        "nodes gone",
        "DELETE FROM graph_nodes WHERE id IN ('subreddit_2', 'user_9')",
        ("graph_link_source_missing", "graph_link_target_missing", "top_links_differ"),
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
    Defect(
        "links turned round",
        "INSERT INTO graph_links (source, target, type, val) "
        "SELECT target, source, type, val FROM graph_links WHERE source = 'subreddit_1'",
        ("graph_link_backwards", "top_links_differ"),
        ("graph-links",),
    ),
    _twice("posts", "posts_pkey", "id % 2 = 0"),
    _twice("comments", "comments_pkey", "id % 2 = 0"),
    _twice("users", "users_pkey CASCADE; DROP INDEX users_name_key", "id = 4"),
    _twice("subreddits", "subreddits_pkey CASCADE; DROP INDEX subreddits_name_key", "id = 4"),
    _twice("imported_interactions", "imported_interactions_pkey", "n % 2 = 0"),
    _twice("user_subreddit_activity", "user_subreddit_activity_pkey", "user_id = 1"),
    _twice("subreddit_relationships", "subreddit_relationships_pkey", "source_subreddit_id = 1"),
    _twice(
        "graph_nodes", "graph_nodes_pkey", "type = 'user'", "top_links_differ", columns="id, name, val, type"
    ),
    _twice("graph_links", "graph_links_pkey", "source = 'subreddit_1'", "top_links_differ"),
    Defect(
        "subreddits of one name",
        "DROP INDEX subreddits_name_key; SELECT setval('subreddits_id_seq', 1000); "
        "INSERT INTO subreddits (id, name) VALUES (901, 'SUB4'), (902, 'suB4'); "
        "UPDATE posts SET subreddit_id = 901 WHERE subreddit_id = 4 AND id % 2 = 0; "
        "UPDATE comments AS c SET subreddit_id = p.subreddit_id FROM posts AS p WHERE p.id = c.post_id; "
        "UPDATE imported_interactions SET subreddit_id = 902 WHERE subreddit_id = 4; "
        "INSERT INTO imported_interactions SELECT 1, user_id, 901, n + 3 FROM imported_interactions "
        "WHERE subreddit_id = 902",
        ("subreddit_names_repeated", "schema_drift"),
        ("duplicates",),
        ("repair",),
    ),
    Defect(
        "users and subreddits of one name at once",
        "DROP INDEX users_name_key; DROP INDEX subreddits_name_key; "
        "SELECT setval('subreddits_id_seq', 1000); SELECT setval('users_id_seq', 1000); "
        "INSERT INTO users (id, name) VALUES (901, 'USER5'); "
        "INSERT INTO subreddits (id, name) VALUES (901, 'SUB4'); "
        "INSERT INTO graph_nodes (id, name, val, type) VALUES ('user_901', 'USER5', 1, 'user'); "
        "UPDATE posts SET author_id = 901 WHERE author_id = 5; "
        "UPDATE comments SET author_id = 901 WHERE author_id = 5 AND id % 2 = 0; "
        "UPDATE posts SET subreddit_id = 901 WHERE subreddit_id = 4; "
        "UPDATE comments AS c SET subreddit_id = p.subreddit_id FROM posts AS p WHERE p.id = c.post_id; "
        "INSERT INTO author_looks (user_id) VALUES (901), (5)",
        ("user_names_repeated", "subreddit_names_repeated", "schema_drift"),
        ("duplicates",),
        ("repair",),
    ),
    Defect(
        "jobs of one subreddit",
        "DROP INDEX crawl_jobs_subreddit_key; SELECT setval('crawl_jobs_id_seq', 1000); "
        "INSERT INTO crawl_jobs (id, subreddit_name, token) VALUES "
        "(901, 'Sub1', 5), (902, 'sub1', 6), (903, 'sub2', 0); "
        "INSERT INTO crawl_runs (job_id, token, outcome, pages) "
        "VALUES (901, 1, 'reset', 0), (902, 2, 'reset', 0)",
        ("job_names_repeated", "schema_drift"),
        ("duplicates",),
        ("repair",),
    ),
    Defect(
        "a relationship one way",
        "DELETE FROM subreddit_relationships WHERE source_subreddit_id = 2 AND target_subreddit_id = 5",
        ("relationship_one_way", "overlap_differs"),
        then=("precalc",),
    ),
    Defect(
        "a weight one way",
        "UPDATE subreddit_relationships SET weight = weight + 1 WHERE source_subreddit_id = 2",
        ("relationship_one_way",),
        then=("precalc",),
    ),
    Defect(
        "overlap too small both ways",
        "UPDATE subreddit_relationships SET overlap_count = overlap_count - 1 WHERE overlap_count > 3",
        ("overlap_differs",),
        then=("precalc",),
    ),
    Defect(
        "overlap too large both ways",
        "UPDATE subreddit_relationships SET overlap_count = overlap_count + 1 WHERE 2 IN "
        "(source_subreddit_id, target_subreddit_id)",
        ("overlap_differs",),
        then=("precalc",),
    ),
    Defect(
        "a link of the biggest nodes that the graph has with another size",
        "UPDATE graph_top_links SET val = val + 1 WHERE least_id = 'user_3'",
        ("top_links_differ",),
        then=("precalc",),
    ),
    Defect(
        "links of the biggest nodes that are not stored",
        "DELETE FROM graph_top_links WHERE least_id = 'subreddit_3'",
        ("top_links_differ",),
        then=("precalc",),
    ),
    Defect(
        "activity too small",
        "UPDATE user_subreddit_activity SET activity_count = activity_count - 1 "
        "WHERE activity_count > 1 AND user_id < 9",
        ("activity_differs",),
        then=("precalc",),
    ),
    Defect(
        "activity too large",
        "UPDATE user_subreddit_activity SET activity_count = activity_count + 1 WHERE user_id = 8",
        ("activity_differs",),
        then=("precalc",),
    ),
    Defect(
        "activity invented",
        "INSERT INTO user_subreddit_activity SELECT 8, s.id, 5 FROM subreddits AS s WHERE NOT EXISTS "
        "(SELECT FROM user_subreddit_activity WHERE user_id = 8 AND subreddit_id = s.id)",
        ("activity_differs", "overlap_differs"),
        then=("precalc",),
    ),
    Defect(
        "activity lost",
        "DELETE FROM user_subreddit_activity WHERE user_id = 8",
        ("activity_differs",),
        then=("precalc",),
    ),
    Defect(
        "a job that nobody holds",
        "INSERT INTO crawl_jobs (subreddit_name, status, started_at) VALUES ('Sub1', 'crawling', now())",
        ("job_stuck",),
        then=("rescue",),
    ),
    Defect(
        "jobs in states that cannot be",
        "INSERT INTO crawl_jobs (subreddit_name, status, completed_at, worker_id, started_at) VALUES "
        "('Sub1', 'completed', NULL, NULL, NULL), ('Sub2', 'pending', now(), NULL, NULL), "
        "('Sub3', 'failed', now(), gen_random_uuid(), NULL), "
        "('Sub4', 'completed', now() - interval '1 h', NULL, now()), ('Sub5', 'pending', NULL, NULL, NULL); "
        "INSERT INTO crawl_runs (job_id, token, outcome, pages) "
        "SELECT id, 9, 'reset', 0 FROM crawl_jobs WHERE subreddit_name = 'Sub5'",
        ("job_impossible",),
        then=("repair",),
    ),
    Defect(
        "sequences behind",
        "SELECT setval('users_id_seq', 5); SELECT setval('subreddits_id_seq', 1, false)",
        ("sequence_behind",),
        then=("repair",),
    ),
    Defect(
        "a valid key of nothing",
        "UPDATE imported_interactions SET user_id = 4000 WHERE n = 7",
        ("key_broken",),
        ("keys",),
    ),
    Defect(
        "a key that is not valid",
        "ALTER TABLE imported_interactions DROP CONSTRAINT imported_interactions_user_id_fkey, "
        "ADD CONSTRAINT imported_interactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID",
        ("key_not_enforced",),
        then=("repair",),
    ),
    Defect(
        "a key switched off",
        "ALTER TABLE imported_interactions DISABLE TRIGGER ALL",
        ("key_not_enforced",),
        then=("repair",),
    ),
    Defect(
        "an index gone",
        "DROP INDEX idx_graph_nodes_type",
        ("schema_drift",),
        then=("repair",),
    ),
    Defect(
        "an index that is another",
        "DROP INDEX idx_graph_links_target; CREATE INDEX idx_graph_links_target ON graph_links (type)",
        ("schema_drift",),
        then=("repair",),
    ),
    Defect(
        "keys gone",
        "ALTER TABLE graph_links DROP CONSTRAINT graph_links_pkey; "
        "ALTER TABLE imported_interactions DROP CONSTRAINT imported_interactions_user_id_fkey; "
        "ALTER TABLE crawl_jobs DROP CONSTRAINT crawl_jobs_status_check",
        ("schema_drift",),
        then=("repair",),
    ),
    Defect(
        "a trigger off and a function that is another",
        "ALTER TABLE crawl_jobs DISABLE TRIGGER crawl_jobs_moved; "
        "CREATE OR REPLACE FUNCTION crawl_jobs_moved() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NEW; END $$",
        ("schema_drift",),
        then=("repair",),
    ),
    Defect(
        "an invalid index",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_graph_nodes_val'::regclass",
        ("index_invalid",),
        then=("repair",),
    ),
)


def inject(connection: Connection, statements: str) -> None:
    """Break it behind the back of every key and trigger."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statements.encode())


def found(database: Database, *types: str) -> dict[str, int]:
    """What check finds: rows by the name of the check."""
    report = integrity.check(database, Settings(), Silent(), types=frozenset(types), deep=True)
    assert not [one for one in report.checks if one.state in ("failed", "skipped", "not run")]
    assert report.ok == (not any(one.state == "found" for one in report.checks))
    return {one.name: one.rows for one in report.checks if one.state == "found"}


def mend(database: Database, verb: str) -> None:
    """Run what a finding says mends it."""
    settings = Settings()
    if verb == "precalc":
        assert precalc.run(database, settings.precalc, Silent(), min_shared_users=1, full=True).ok
    elif verb == "rescue":
        with database.connect(autocommit=True) as connection:
            assert rescue(connection, settings.queue)
    else:
        report = integrity.repair(database, settings, Silent(), deep=verb == "repair --deep")
        assert report.ok, report


def contents(connection: Connection, *only: str) -> dict[str, list[str]]:
    """Every row of every table, or of these, as sorted text; without the quarantine, the runs of verbs, and
    what is stored beside the graph and follows from it.
    """
    tables = only or [
        str(name)
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND NOT starts_with(relname, 'quarantine') AND relname <> 'run_history' "
            "AND NOT starts_with(relname, 'graph_top')"
        )
    ]
    return {
        table: sorted(str(row[0]) for row in connection.execute(f"SELECT t::text FROM {table} AS t".encode()))
        for table in tables
    }
