"""Small worlds of who wrote where: loaded into the tables, and counted by plain Python."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from psycopg import sql

from redclust.db.connect import Connection
from redclust.ops.precalc import PrecalcReport

#: ``compute(minimum=1, clear=False, **settings)``: one run of precalc in this process.
Compute = Callable[..., PrecalcReport]
Pair = tuple[str, str]


@dataclass
class World:
    """Rows by natural keys; an author of None is a deleted one."""

    comments: list[tuple[str | None, str]] = field(default_factory=list)
    posts: list[tuple[str | None, str]] = field(default_factory=list)
    placeholders: list[str] = field(default_factory=list)
    interactions: list[tuple[str, str, int]] = field(default_factory=list)
    bots: frozenset[str] = frozenset()

    def activity(self) -> Counter[Pair]:
        """How often each user was active in each subreddit."""
        counted: Counter[Pair] = Counter()
        for author, subreddit in itertools.chain(self.comments, self.posts):
            if author is not None:
                counted[author, subreddit] += 1
        for user, subreddit, n in self.interactions:
            counted[user, subreddit] += n
        return counted

    def names(self) -> tuple[list[str], list[str]]:
        """Users and subreddits."""
        users = {a for a, _ in (*self.comments, *self.posts) if a} | {u for u, _, _ in self.interactions}
        subreddits = {s for _, s in (*self.comments, *self.posts)} | {s for _, s, _ in self.interactions}
        return sorted(users | self.bots), sorted(subreddits | set(self.placeholders))


@dataclass
class Counted:
    """What a precalc must come to, by names."""

    activity: dict[Pair, int]
    overlap: dict[Pair, int]
    nodes: dict[Pair, int]
    links: dict[tuple[str, str, str], int]


def count(world: World, *, minimum: int, cap: int = 100) -> Counted:
    """The same by brute force: every pair of subreddits of every person."""
    activity = world.activity()
    of_user: dict[str, set[str]] = defaultdict(set)
    for user, subreddit in activity:
        of_user[user].add(subreddit)
    people = {u for u, subreddits in of_user.items() if u not in world.bots and len(subreddits) <= cap}
    overlap: Counter[Pair] = Counter()
    for user in people:
        overlap.update(itertools.permutations(of_user[user], 2))
    overlap_kept = {pair: n for pair, n in overlap.items() if n >= minimum}
    nodes: Counter[Pair] = Counter()
    links: dict[tuple[str, str, str], int] = {}
    for (user, subreddit), n in activity.items():
        if user in people:
            nodes["subreddit", subreddit] += 1
            nodes["user", user] += n
            links["user-subreddit", subreddit, user] = n
    for (one, other), n in overlap_kept.items():
        if one < other:
            links["subreddit-subreddit", one, other] = n
    return Counted(dict(activity), overlap_kept, dict(nodes), links)


def stored(connection: Connection) -> Counted:
    """What the tables hold, by names; a link of two subreddits with the lesser name first."""
    activity = connection.execute(
        "SELECT u.name, s.name, activity_count FROM user_subreddit_activity "
        "JOIN users AS u ON u.id = user_id JOIN subreddits AS s ON s.id = subreddit_id"
    )
    overlap = connection.execute(
        "SELECT a.name, b.name, overlap_count FROM subreddit_relationships "
        "JOIN subreddits AS a ON a.id = source_subreddit_id "
        "JOIN subreddits AS b ON b.id = target_subreddit_id"
    )
    nodes = connection.execute("SELECT type, name, val FROM graph_nodes")
    links = connection.execute(
        "SELECT l.type, a.name, b.name, l.val FROM graph_links AS l "
        "JOIN graph_nodes AS a ON a.id = source JOIN graph_nodes AS b ON b.id = target"
    )
    counted_links: dict[tuple[str, str, str], int] = {}
    for kind, one, other, n in links:
        pair = sorted((one, other)) if kind == "subreddit-subreddit" else (one, other)
        counted_links[kind, *pair] = int(n)
    return Counted(
        {(u, s): n for u, s, n in activity},
        {(a, b): n for a, b, n in overlap},
        {(kind, name): int(n) for kind, name, n in nodes},
        counted_links,
    )


def load(connection: Connection, world: World, *, shuffled: int | None = None) -> None:
    """Write the rows; with ``shuffled`` the ids are given out in another order."""
    users, subreddits = world.names()
    rng = random.Random(shuffled)
    if shuffled is not None:
        rng.shuffle(users)
        rng.shuffle(subreddits)
    user_ids = _names(connection, "users", users)
    subreddit_ids = _names(connection, "subreddits", subreddits)
    connection.execute("UPDATE users SET bot_reason = 'name' WHERE name = ANY(%s)", [sorted(world.bots)])
    comments = [(subreddit_ids[s], user_ids[a] if a else None) for a, s in world.comments]
    posts = [(subreddit_ids[s], user_ids[a] if a else None) for a, s in world.posts]
    if shuffled is not None:
        rng.shuffle(comments)
        rng.shuffle(posts)
    now = "2021-04-01T00:00:00Z"
    _copy(
        connection,
        "comments (id, post_id, subreddit_id, author_id, created_at, body)",
        ((i, 0, *row, now, "x") for i, row in enumerate(comments)),
    )
    _copy(
        connection,
        "posts (id, subreddit_id, author_id, created_at, title)",
        ((i, *row, now, "x") for i, row in enumerate(posts)),
    )
    _copy(
        connection,
        "posts (id, subreddit_id, placeholder)",
        ((len(posts) + i, subreddit_ids[s], True) for i, s in enumerate(world.placeholders)),
    )
    if world.interactions:
        file = connection.execute(
            "INSERT INTO import_files (fingerprint, filters, name, kind, state) "
            "VALUES ('f', '', 'f', 'interactions', 'complete') RETURNING id"
        ).fetchone()
        assert file is not None
        _copy(
            connection,
            "imported_interactions (file_id, user_id, subreddit_id, n)",
            ((file[0], user_ids[u], subreddit_ids[s], n) for u, s, n in world.interactions),
        )


def clear(connection: Connection) -> None:
    """Take the rows of a world out again; names stay, and the graph. By DELETE, which waits for no reader."""
    for table in ("comments", "posts", "imported_interactions", "import_files"):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    connection.execute("UPDATE users SET bot_reason = NULL WHERE bot_reason IS NOT NULL")


def comments_of(path: Path) -> World:
    """The authors and subreddits of a comment dump."""
    comments: list[tuple[str | None, str]] = []
    for line in _lines(path):
        row = json.loads(line)
        author = row.get("author")
        comments.append((None if author in (None, "[deleted]") else author, row["subreddit"]))
    return World(comments=comments, bots=frozenset({"AutoModerator"}))


def interactions_of(path: Path) -> World:
    """The rows of a CSV of username, subreddit, interactions."""
    rows = (line.rstrip("\r\n").split(",") for line in itertools.islice(_lines(path), 1, None))
    return World(interactions=[(u, s, int(n)) for u, s, n in rows])


def planted(
    n_topics: int, subreddits: int, users: int, *, seed: int, degree: tuple[int, int] = (3, 7)
) -> World:
    """People who write in the subreddits of one topic, and now and then elsewhere."""
    rng = random.Random(seed)
    names = [[f"topic{t}_{i}" for i in range(subreddits)] for t in range(n_topics)]
    rows: dict[Pair, int] = {}
    for u in range(users):
        own = names[rng.randrange(n_topics)]
        for _ in range(rng.randint(*degree)):
            topic = own if rng.random() < 0.9 else rng.choice(names)
            rows[f"user{u}", rng.choice(topic)] = rng.randint(1, 9)
    return World(interactions=[(u, s, n) for (u, s), n in sorted(rows.items())])


def _names(connection: Connection, table: str, names: Sequence[str]) -> dict[str, int]:
    """The ids of names; new ones are given out in the order asked."""
    values = {"names": list(names)}
    add = (
        "INSERT INTO {} (name) SELECT n.name "
        "FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n (name, place) "
        "ORDER BY place ON CONFLICT DO NOTHING"
    )
    connection.execute(sql.SQL(add).format(sql.Identifier(table)), values)
    ids = "SELECT name, id FROM {} WHERE name = ANY(%(names)s::text[])"
    return dict(connection.execute(sql.SQL(ids).format(sql.Identifier(table)), values).fetchall())


def _copy(connection: Connection, target: str, rows: Iterable[Sequence[object]]) -> None:
    with connection.cursor().copy(f"COPY {target} FROM STDIN") as copy:  # type: ignore[arg-type]
        for row in rows:
            copy.write_row(row)


def _lines(path: Path) -> Iterator[str]:
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(path.open("rb"))
    yield from io.TextIOWrapper(reader, encoding="utf-8")
