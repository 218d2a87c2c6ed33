"""Who counts as a bot, and who says otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable

from precalc_worlds import Compute, World, planted, stored

from harness import Redclust
from redclust.db.connect import Connection

WORLD = planted(3, 10, 300, seed=9)
WORLD.comments += [("reader", f"sub{i}") for i in range(101)] + [("spambot", "topic0_1")] * 3
WORLD.bots = frozenset({"spambot"})


def write_at_times(connection: Connection, name: str, gaps_s: list[float]) -> None:
    """Comments of one account, so far apart."""
    connection.execute("INSERT INTO users (name) VALUES (%s)", [name])
    connection.execute(
        "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
        "SELECT (SELECT max(id) FROM comments) + g.n, 0, s.id, u.id, "
        "timestamptz '2021-04-01Z' + g.at_s * interval '1 s', 'x' "
        "FROM users AS u, subreddits AS s, ("
        "  SELECT n, sum(gap_s) OVER (ORDER BY n) AS at_s "
        "  FROM unnest(%(gaps)s::float8[]) WITH ORDINALITY AS gaps (gap_s, n)) AS g "
        "WHERE u.name = %(name)s AND s.name = 'topic0_1'",
        {"name": name, "gaps": gaps_s},
    )


def users(connection: Connection) -> set[str]:
    return {name for kind, name in stored(connection).nodes if kind == "user"}


def test_whoever_writes_like_a_clock_is_left_out(
    put: Callable[..., None], compute: Compute, connection: Connection, redclust: Redclust
) -> None:
    put(WORLD)
    rng = random.Random(1)
    write_at_times(connection, "hourly", [3600 + rng.uniform(-900, 900) for _ in range(60)])
    write_at_times(connection, "few", [3600.0] * 40)
    write_at_times(connection, "chance", [rng.expovariate(1 / 3600) for _ in range(60)])
    write_at_times(connection, "bursts", [*[30.0] * 9, 80_000.0] * 6)
    write_at_times(connection, "at_once", [0.0] * 60)
    report = compute()
    bots = report.figures.bots
    assert (bots.marked, bots.over_cap, bots.regular) == (1, 1, 1)
    assert {"few", "chance", "bursts", "at_once"} <= users(connection)
    assert not {"hourly", "reader", "spambot"} & users(connection)
    shown = redclust("precalc", "status", check=0).stdout
    assert "1 that write like a clock" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("u/")] == [
        "u/reader",
        "u/hourly",
        "u/spambot",
    ]

    compute(regular_bot_spread_ratio=0, people="u/Reader,SPAMBOT", bots=["few"])
    assert {"hourly", "reader", "spambot"} <= users(connection)
    assert "few" not in users(connection)
    kept = connection.execute("SELECT settings::text FROM precalc_runs").fetchall()
    assert not any("SPAMBOT" in text for (text,) in kept)


def test_what_a_bot_wrote_is_not_shown(
    put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    put(World(comments=[("a", "One"), ("b", "One")]))
    connection.execute(
        "INSERT INTO posts (id, subreddit_id, placeholder) "
        "SELECT 900, id, true FROM subreddits WHERE name = 'One'"
    )
    connection.execute("UPDATE comments SET post_id = 900, score = 1")
    compute(minimum=1, detailed=True, bots=["b"])
    kinds = "SELECT array_agg(type ORDER BY type) FROM graph_nodes"
    assert connection.execute(kinds).fetchone() == (["comment", "post", "subreddit", "user"],)
