"""What precalc counts, row by row, against a count by plain Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from precalc_worlds import Compute, World, comments_of, count, interactions_of, planted, stored

from harness import Redclust
from redclust.db.connect import Connection


def test_every_row_of_real_comments(
    shared_data: Path, put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    world = comments_of(shared_data / "RC_2021-04_small.zst")
    put(world)
    report = compute(minimum=1)
    wanted, found = count(world, minimum=1), stored(connection)
    assert found.activity == wanted.activity
    assert found.overlap == wanted.overlap
    assert found.nodes == wanted.nodes
    assert found.links == wanted.links
    assert report.figures.links == len(wanted.links)
    assert report.figures.bots.most_active[0] == "AutoModerator"


@pytest.mark.soak
def test_every_row_of_real_interactions(
    shared_data: Path, put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    world = interactions_of(shared_data / "user_subreddit_edges.csv.zst")
    put(world)
    compute(minimum=1)
    assert stored(connection) == count(world, minimum=1)


_NAMES = st.sampled_from([f"u{i}" for i in range(12)])
_SUBREDDITS = st.sampled_from(["Alpha", "beta", "GAMMA", "delta_", "e", "Zeta9"])
_WORLDS = st.builds(
    World,
    comments=st.lists(st.tuples(st.none() | _NAMES, _SUBREDDITS), max_size=60),
    posts=st.lists(st.tuples(st.none() | _NAMES, _SUBREDDITS), max_size=20),
    placeholders=st.lists(_SUBREDDITS, max_size=5),
    interactions=st.lists(
        st.tuples(_NAMES, _SUBREDDITS, st.integers(1, 50)), max_size=30, unique_by=lambda row: row[:2]
    ),
    bots=st.frozensets(_NAMES, max_size=2),
)


@given(world=_WORLDS, minimum=st.integers(1, 3), cap=st.integers(1, 6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_of_random_worlds(
    world: World, minimum: int, cap: int, put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    """One database through all of them, so that each graph is a change of the one before."""
    put(world)
    report = compute(minimum=minimum, max_subreddits_per_user=cap)
    wanted = count(world, minimum=minimum, cap=cap)
    assert report.ok == bool(wanted.nodes)
    if report.ok:
        assert stored(connection) == wanted
        lost = "SELECT count(*) FROM graph_nodes WHERE NOT (abs(pos_x) < 1e6 AND abs(pos_y) < 1e6) IS TRUE"
        assert connection.execute(lost).fetchone() == (0,)


def test_the_minimum_depends_on_how_much_there_is(put: Callable[..., None], compute: Compute) -> None:
    put(planted(2, 5, 60, seed=1))
    assert compute().figures.min_shared_users == 2
    put(planted(4, 12, 2600, seed=1))
    report = compute()
    assert report.figures.memberships > 10_000
    assert report.figures.min_shared_users == 3


def test_links_name_the_lesser_id_first_and_each_pair_once(
    put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    put(planted(2, 15, 200, seed=3))
    compute(minimum=1)
    rows = connection.execute("SELECT source, target FROM graph_links").fetchall()
    assert all(source < target for source, target in rows)
    assert len({frozenset(row) for row in rows}) == len(rows)


def test_activity_of_missing_users_is_counted_and_left_out(
    put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    put(World(comments=[("a", "One"), ("b", "One"), ("b", "Two")]))
    connection.execute("DELETE FROM users WHERE name = 'b'")
    report = compute(minimum=1)
    assert report.figures.dangling_rows == 2
    assert stored(connection).nodes == {("subreddit", "One"): 1, ("user", "a"): 1}


def test_communities_have_their_members_counted(
    put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    put(planted(3, 12, 900, seed=4))
    report = compute()
    assert report.figures.communities == 3
    assert report.figures.islands == 3
    assert report.figures.modularity > 0.3
    rows = connection.execute(
        "SELECT c.id, c.label, c.subreddits, c.users, c.pos_x, c.pos_y, "
        "count(*) FILTER (WHERE n.type = 'subreddit'), count(*) FILTER (WHERE n.type = 'user'), "
        "avg(n.pos_x) FILTER (WHERE n.type = 'subreddit'), avg(n.pos_y) FILTER (WHERE n.type = 'subreddit') "
        "FROM graph_communities AS c JOIN graph_nodes AS n ON n.community_id = c.id "
        "GROUP BY c.id ORDER BY c.id"
    ).fetchall()
    for number, (found, label, *stored_figures) in enumerate(rows):
        subreddits, users, x, y, n_subreddits, n_users, mean_x, mean_y = stored_figures
        assert (found, subreddits, users) == (number, n_subreddits, n_users)
        assert (x, y) == (pytest.approx(mean_x, abs=1e-5), pytest.approx(mean_y, abs=1e-5))
        leading = label.split(", ")
        assert len(leading) == 3
        assert len({name.split("_")[0] for name in leading}) == 1
    assert len(rows) == 3


def test_communities_without_a_link_to_another_are_told(
    put: Callable[..., None], compute: Compute, redclust: Redclust
) -> None:
    linked = planted(3, 12, 900, seed=4)
    linked.comments += [(f"both{user}", f"topic{topic}_0") for user in range(99) for topic in range(3)]
    linked.comments += [(f"far{user}", f"Far{place}") for user in range(40) for place in range(3)]
    put(linked)
    figures = compute().figures
    assert figures.islands == 1
    told = redclust("precalc", "status", check=0).stdout
    assert f"{figures.communities} communities, 1 of them without a link to another" in " ".join(told.split())


def test_a_user_is_in_the_community_of_most_of_his_activity(
    put: Callable[..., None], compute: Compute, connection: Connection
) -> None:
    world = planted(2, 8, 300, seed=5)
    world.interactions += [("torn", "topic0_1", 5), ("torn", "topic0_2", 5), ("torn", "topic1_1", 9)]
    put(world)
    compute()
    same = connection.execute(
        "SELECT u.community_id = s.community_id FROM graph_nodes AS u, graph_nodes AS s "
        "WHERE u.name = 'torn' AND s.name = 'topic0_1'"
    ).fetchone()
    assert same == (True,)
