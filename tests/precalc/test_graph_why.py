"""Why a subreddit is where it is, or is not on the map: each answer by what makes it true."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from precalc_worlds import Compute, World, planted

from harness import Redclust
from redclust.db.connect import Connection


@pytest.fixture
def world(put: Callable[..., None], compute: Compute, connection: Connection) -> None:
    made = planted(3, 10, 300, seed=1)
    put(
        World(
            interactions=made.interactions,
            comments=[("loner", "Lonely"), ("topicbot", "OnlyBots")],
            placeholders=["Quiet"],
            bots=frozenset({"topicbot"}),
        )
    )
    compute(minimum=2)
    connection.execute("INSERT INTO subreddits (name) VALUES ('Fresh')")
    connection.execute(
        "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
        "SELECT 9999, 0, s.id, u.id, now(), 'x' FROM subreddits AS s, users AS u "
        "WHERE s.name = 'Fresh' AND u.name = 'user1'"
    )


@pytest.mark.usefixtures("world")
def test_each_state_is_told_by_its_reason(redclust: Redclust) -> None:
    expected = {
        "topic0_1": ("placed", "is in the continent"),
        "Lonely": ("unrelated", "It shares fewer than 2 people with every other subreddit"),
        "OnlyBots": ("bots only", "All 1 accounts active there count as bots"),
        "Fresh": ("not counted yet", "came after the last redclust precalc"),
        "Quiet": ("nobody", "Nobody was seen writing there"),
    }
    for name, (state, sentence) in expected.items():
        code = 0 if state == "placed" else 3
        told = json.loads(redclust("graph", "why", f"r/{name}", "--format", "json", check=code).stdout)
        assert (told["name"], told["state"]) == (name, state)
        assert sentence in redclust("graph", "why", name, check=code).stdout


@pytest.mark.usefixtures("world")
def test_what_pulls_a_subreddit_adds_up(redclust: Redclust, connection: Connection) -> None:
    told = json.loads(redclust("graph", "why", "topic0_1", "--format", "json", check=0).stdout)
    assert sum(pull["weight_ratio"] for pull in told["pulls"]) == pytest.approx(1, abs=0.001)
    assert told["pulls"][0]["community"] == told["communities"][0]
    assert [len(one["label"]) > 0 for one in told["communities"]] == [True] * len(told["communities"])
    row = connection.execute("SELECT val FROM graph_nodes WHERE name = 'topic0_1'").fetchone()
    assert row is not None
    assert told["users_on_map"] == row[0] == told["active_users"]


@pytest.mark.usefixtures("world")
def test_an_unknown_name_and_a_user_are_refused(redclust: Redclust) -> None:
    refused = redclust("graph", "why", "topic0_11", check=2)
    assert "did you mean r/topic0_1" in refused.stderr
    assert "is not a subreddit" in redclust("graph", "why", "u/user1", check=2).stderr
