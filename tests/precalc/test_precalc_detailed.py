"""Posts and comments on the map, row by row, against a count by plain Python."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from precalc_worlds import Compute
from psycopg import sql

from harness import Redclust
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops.import_ import import_files
from redclust.reddit.names import base36
from redclust.report import Silent
from redclust.sql import query

Key = tuple[str, str]


@dataclass
class Thing:
    """A post or comment that belongs on the map."""

    node: str
    kind: str
    score: int
    author: int | None
    subreddit: int
    answers: str | None = None


def chosen(connection: Connection, *, posts: int, comments: int) -> dict[str, Thing]:
    """What is to be on the map, subreddit by subreddit and post by post."""
    on_map = {i for (i,) in connection.execute("SELECT id FROM graph_nodes")}
    active: dict[int, set[int]] = defaultdict(set)
    for user, subreddit in connection.execute("SELECT user_id, subreddit_id FROM user_subreddit_activity"):
        active[user].add(subreddit)
    bots = {u for u, there in active.items() if len(there) > 100}
    bots |= {i for (i,) in connection.execute("SELECT id FROM users WHERE bot_reason IS NOT NULL")}
    of_subreddit: dict[int, list[tuple[bool, int, int, int | None]]] = defaultdict(list)
    for i, subreddit, author, score, unseen in connection.execute(
        "SELECT id, subreddit_id, author_id, score, placeholder FROM posts"
    ):
        if author not in bots:
            best = float("inf") if score is None else -score
            of_subreddit[subreddit].append((unseen, best, -i, author))  # type: ignore[arg-type]
    of_post: dict[int, list[tuple[float, int, int | None, int | None]]] = defaultdict(list)
    for i, post, parent, author, score in connection.execute(
        "SELECT id, post_id, parent_id, author_id, score FROM comments"
    ):
        if author not in bots:
            of_post[post].append((float("inf") if score is None else -score, i, parent, author))
    found: dict[str, Thing] = {}
    for subreddit, ranked in of_subreddit.items():
        if f"subreddit_{subreddit}" not in on_map:
            continue
        for _, best, minus_id, author in sorted(ranked, key=lambda row: row[:3])[:posts]:
            post = f"post_{base36(-minus_id)}"
            score = 0 if best == float("inf") else -int(best)
            found[post] = Thing(post, "post", score, author, subreddit)
            first = sorted(of_post[-minus_id], key=lambda row: row[:2])[:comments]
            among = {i for _, i, _, _ in first}
            for best, i, parent, author in first:  # noqa: PLW2901
                answers = f"comment_{base36(parent)}" if parent in among else post
                node = f"comment_{base36(i)}"
                score = 0 if best == float("inf") else -int(best)
                found[node] = Thing(node, "comment", score, author, subreddit, answers)
    return found


def links_of(things: dict[str, Thing], users: set[str], *, author_links: int) -> dict[Key, str]:
    """The links of these, by their ends."""
    found: dict[Key, str] = {}
    best: dict[int, dict[int, Thing]] = defaultdict(dict)
    for thing in things.values():
        if thing.answers is None:
            found[thing.node, f"subreddit_{thing.subreddit}"] = "post-subreddit"
        else:
            one, other = sorted((thing.node, thing.answers))
            found[one, other] = f"comment-{things[thing.answers].kind}"
        if thing.author is None or f"user_{thing.author}" not in users:
            continue
        found[thing.node, f"user_{thing.author}"] = f"user-{thing.kind}"
        known = best[thing.author].get(thing.subreddit)
        if known is None or (-thing.score, thing.node) < (-known.score, known.node):
            best[thing.author][thing.subreddit] = thing
    for of_subreddit in best.values():
        chain = sorted(of_subreddit.values(), key=lambda thing: (-thing.score, thing.node))
        for one, other in itertools.islice(itertools.pairwise(chain), author_links):
            first, last = sorted((one.node, other.node))
            found[first, last] = "same-author"
    return found


def compare(connection: Connection, *, posts: int, comments: int, author_links: int) -> dict[str, int]:
    """Every node and link of a post or comment is there, as it must be, and no other."""
    wanted = chosen(connection, posts=posts, comments=comments)
    rows = connection.execute(
        "SELECT t.id, t.type, t.val, t.community_id IS NOT DISTINCT FROM s.community_id, "
        "(t.pos_x - s.pos_x) ^ 2 + (t.pos_y - s.pos_y) ^ 2 "
        "FROM graph_nodes AS t LEFT JOIN graph_links AS l ON l.source = t.id AND l.type = 'post-subreddit' "
        "LEFT JOIN graph_nodes AS s ON s.id = l.target WHERE t.type IN ('post', 'comment')"
    ).fetchall()
    assert {row[0]: row[1:3] for row in rows} == {t.node: (t.kind, t.score) for t in wanted.values()}
    assert all(same and off < 0.61**2 for _, kind, _, same, off in rows if kind == "post")
    users = {i for (i,) in connection.execute("SELECT id FROM graph_nodes WHERE type = 'user'")}
    links = connection.execute(
        "SELECT source, target, type, val FROM graph_links "
        "WHERE type NOT IN ('subreddit-subreddit', 'user-subreddit')"
    ).fetchall()
    expected = links_of(wanted, users, author_links=author_links)
    assert {row[:2]: row[2] for row in links} == expected
    assert {row[3] for row in links} <= {1}
    counted: dict[str, int] = defaultdict(int)
    for kind in expected.values():
        counted[kind] += 1
    return dict(counted)


def scatter(connection: Connection, *, seed: float) -> None:
    """Subreddits, people, a bot, and posts and comments of every kind; scores that are often equal."""
    connection.execute("SELECT setseed(%s)", [seed])
    connection.execute("INSERT INTO subreddits (name) SELECT 'place' || g FROM generate_series(1, 6) AS g")
    connection.execute("INSERT INTO users (name) SELECT 'person' || g FROM generate_series(1, 30) AS g")
    connection.execute("UPDATE users SET bot_reason = 'name' WHERE name = 'person30'")
    of_anybody = (
        "(SELECT min(id) FROM subreddits) + floor(random() * 6)::integer, "
        "CASE WHEN random() < 0.8 THEN (SELECT min(id) FROM users) + floor(random() * 30)::integer END, "
        "CASE WHEN random() < 0.9 THEN floor(random() * 5)::integer - 2 END"
    )
    connection.execute(
        "INSERT INTO posts (id, subreddit_id, author_id, score, title, created_at) "  # type: ignore[arg-type]
        f"SELECT 35 * g, {of_anybody}, 'x', now() FROM generate_series(0, 60) AS g"
    )
    connection.execute(
        "INSERT INTO posts (id, subreddit_id, placeholder) "
        "SELECT 35 * g, (SELECT min(id) FROM subreddits), true FROM generate_series(61, 70) AS g"
    )
    connection.execute(
        "INSERT INTO comments (id, post_id, parent_id, subreddit_id, author_id, score, body, created_at) "  # type: ignore[arg-type]
        "SELECT 1295 + g, 35 * floor(random() * 71)::bigint, "
        "CASE WHEN random() < 0.6 THEN 1295 + floor(random() * 600)::bigint END, "
        f"{of_anybody}, 'x', now() FROM generate_series(0, 599) AS g"
    )
    connection.execute(
        "UPDATE comments AS c SET subreddit_id = p.subreddit_id FROM posts AS p WHERE p.id = post_id"
    )
    # Two that answer each other, below the first post of its subreddit.
    connection.execute("UPDATE posts SET score = 9, author_id = NULL WHERE id = 0")
    connection.execute(
        "UPDATE comments SET post_id = 0, score = 9, author_id = NULL, parent_id = 2591 - id "
        "WHERE id IN (1295, 1296)"
    )
    connection.execute(
        "UPDATE comments SET post_id = 0, score = 9, author_id = NULL, parent_id = 1295 WHERE id = 1296"
    )
    connection.execute(
        "UPDATE comments SET post_id = 0, score = 9, author_id = NULL, parent_id = 1296 WHERE id = 1295"
    )


def test_every_row_of_a_small_world(compute: Compute, connection: Connection) -> None:
    scatter(connection, seed=0.25)
    report = compute(detailed=True, posts_per_subreddit=5, comments_per_post=6, max_author_content_links=2)
    counted = compare(connection, posts=5, comments=6, author_links=2)
    assert report.figures.detail.links_by_type == counted
    assert len(counted) == 6
    assert 0 < report.figures.detail.unseen_posts < report.figures.detail.posts
    again = compute(detailed=True, posts_per_subreddit=5, comments_per_post=6, max_author_content_links=2)
    assert not any(change.changed_rows for change in again.figures.changes)
    rows = sql.SQL("SELECT ctid, * FROM graph_nodes")
    missing = sql.SQL(query("integrity", "graph_node_source_missing")).format(rows=rows)
    assert not connection.execute(missing).fetchall()
    connection.execute("DELETE FROM comments WHERE id = 1295")
    assert [key for _, key, _ in connection.execute(missing)] == ["comment_zz"]
    compute()
    left = "SELECT count(*) FROM graph_nodes WHERE type IN ('post', 'comment')"
    assert connection.execute(left).fetchone() == (0,)


def test_heights(compute: Compute, connection: Connection) -> None:
    scatter(connection, seed=0.5)
    compute(heights=True)
    rows = connection.execute("SELECT type, val::float8, pos_z FROM graph_nodes").fetchall()
    assert all(
        z == pytest.approx(math.log1p(val) if kind == "subreddit" else 0, abs=1e-6) for kind, val, z in rows
    )
    compute()
    assert connection.execute("SELECT count(pos_z) FROM graph_nodes").fetchone() == (0,)


def test_what_was_forgotten_has_no_author_on_the_map(
    compute: Compute, connection: Connection, redclust: Redclust
) -> None:
    scatter(connection, seed=0.75)
    compute(detailed=True)
    compute(detailed=True, posts_per_subreddit=3)
    mine = (
        "SELECT l.source FROM graph_links AS l "
        "JOIN users AS u ON l.target = 'user_' || u.id WHERE u.name = 'person3'"
    )
    things = [node for (node,) in connection.execute(mine) if not node.startswith("subreddit")]
    assert things
    linked = (
        "SELECT count(*) FROM (SELECT source, target, type FROM graph_links "
        "UNION ALL SELECT source, target, type FROM graph_links_before) AS l "
        "WHERE type = 'same-author' AND (source = ANY(%(things)s) OR target = ANY(%(things)s))"
    )
    (before,) = connection.execute(linked, {"things": things}).fetchall()
    assert before[0] > 0
    redclust("crawl", "forget", "u/person3", "--confirm", "person3", check=0)
    assert connection.execute(linked, {"things": things}).fetchone() == (0,)


@pytest.mark.soak
def test_every_row_of_real_posts_and_comments(
    shared_data: Path, database: Database, compute: Compute, connection: Connection, tmp_path: Path
) -> None:
    files = [shared_data / "RC_2021-04_small.zst", shared_data / "RS_2013_top_100subs.zst"]
    import_files(
        database, files, filters=Filters(), batch_rows=20_000, rejects_dir=tmp_path, progress=Silent()
    )
    report = compute(detailed=True)
    counted = compare(connection, posts=10, comments=50, author_links=3)
    detail = report.figures.detail
    assert detail.links_by_type == counted
    # Nobody of the dump of posts has a name.
    assert len(counted) == 5
    assert 0 < detail.unseen_posts < detail.posts
    assert report.figures.links == connection.execute("SELECT count(*) FROM graph_links").fetchone()[0]  # type: ignore[index]

    again = compute(detailed=True)
    assert not any(change.changed_rows for change in again.figures.changes)

    compute(detailed=True, posts_per_subreddit=2, comments_per_post=3, max_author_content_links=1)
    compare(connection, posts=2, comments=3, author_links=1)

    plain = compute()
    assert plain.figures.detail.posts == plain.figures.detail.links == 0
    left = "SELECT count(*) FROM graph_nodes WHERE type IN ('post', 'comment')"
    assert connection.execute(left).fetchone() == (0,)
