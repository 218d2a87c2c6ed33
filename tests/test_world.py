"""The generated Reddit: the same everywhere, consistent in itself, and with the communities it says."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from redclust.errors import UsageError
from redclust.rehearsal.world import World, base36, write_dump

SEED_7_SHA256 = "de7531a51aa287575fe48ea3a2db0879f25ed9ac3b44de97430c37f4f849dcac"


def digest_of(world: World) -> str:
    digest = hashlib.sha256()
    for rows in (world.posts(), world.comments()):
        for row in rows:
            digest.update(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return digest.hexdigest()


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate()


@pytest.fixture(scope="module")
def posts(world: World) -> list[dict[str, Any]]:
    return list(world.posts())


@pytest.fixture(scope="module")
def comments(world: World) -> list[dict[str, Any]]:
    return list(world.comments())


def lines_of(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        return [orjson.loads(line) for line in io.BufferedReader(reader)]


def test_a_seed_gives_the_same_bytes_in_every_process(world: World) -> None:
    assert digest_of(world) == SEED_7_SHA256
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = f"import {__name__} as test; print(test.digest_of(test.World.generate(7)))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == SEED_7_SHA256


def test_another_seed_is_another_world() -> None:
    def small(seed: int) -> World:
        return World.generate(seed, subreddits=30, users=50, communities=3, posts=40, comments=60)

    assert small(1) == small(1)
    assert digest_of(small(1)) != digest_of(small(2))
    assert small(1).community_names == small(2).community_names


def test_a_written_dump_holds_the_rows_and_nothing_is_left_beside_it(
    tmp_path: Path, comments: list[dict[str, Any]]
) -> None:
    path = tmp_path / "RC_2024-06.zst"
    assert write_dump(path, comments) == len(comments)
    assert lines_of(path) == comments
    assert list(tmp_path.iterdir()) == [path]
    with path.open("rb") as file:
        assert zstandard.get_frame_parameters(file.read(64)).window_size < 2**27


def test_a_dump_that_fails_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "RS.zst"
    write_dump(path, [{"id": "a"}])

    def rows() -> Iterator[dict[str, object]]:
        yield {"id": "b"}
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_dump(path, rows())
    assert lines_of(path) == [{"id": "a"}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_dump_into_no_directory_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*missing/RC\.zst"):
        write_dump(tmp_path / "missing" / "RC.zst", [])


def test_counts_are_as_asked(
    world: World, posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    assert (len(posts), len(comments)) == (8_000, 40_000)
    assert len(world.subreddits) == len(world.planted) == 300
    assert len(world.accounts) == 4_003
    assert sorted(set(world.planted.values())) == list(range(-1, 12))
    assert len(set(world.community_names)) == 12
    small = World.generate(3, subreddits=25, users=40, communities=5, posts=25, comments=0)
    assert (len(list(small.posts())), len(list(small.comments())), len(small.planted)) == (25, 0, 25)


@pytest.mark.parametrize(
    "asked",
    [
        {"communities": 0},
        {"communities": 97, "subreddits": 5_000},
        {"subreddits": 59},
        {"users": 0},
        {"posts": 299},
        {"comments": -1},
    ],
)
def test_an_impossible_world_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"communities|needs"):
        World.generate(**asked)


def test_names_are_valid_and_unique() -> None:
    big = World.generate(subreddits=6_000, users=20_000, communities=96, posts=6_000, comments=0)
    places = [place.name for place in big.subreddits]
    accounts = [account.name for account in big.accounts]
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]{2,20}", name) for name in places)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{3,20}", name) for name in accounts)
    for names in (places, accounts):
        assert len({name.lower() for name in names}) == len(names)
    assert [name for name in accounts if name.lower().endswith("bot")] == ["metric_units_bot"]


def test_references_hold_and_point_back_in_time(
    posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    post_by_name = {post["name"]: post for post in posts}
    comment_by_name = {comment["name"]: comment for comment in comments}
    assert len(post_by_name) == len(posts)
    assert len(comment_by_name) == len(comments)
    for comment in comments:
        post = post_by_name[comment["link_id"]]
        parent = comment_by_name.get(comment["parent_id"], post)
        assert parent["name"] == comment["parent_id"]
        assert parent is post or parent["link_id"] == comment["link_id"]
        assert parent["created_utc"] < comment["created_utc"]
        assert (comment["subreddit"], comment["subreddit_id"]) == (post["subreddit"], post["subreddit_id"])
        assert comment["permalink"] == f"{post['permalink']}{comment['id']}/"
        assert comment["edited"] is False or comment["edited"] > comment["created_utc"]
        assert comment["is_submitter"] == (
            comment["author"] == post["author"] and comment["author"] != "[deleted]"
        )
    answered = Counter(comment["link_id"] for comment in comments)
    assert all(post["num_comments"] == answered[post["name"]] for post in posts)
    replies = sum(comment["parent_id"].startswith("t1_") for comment in comments)
    assert 0.2 < replies / len(comments) < 0.6


def test_times_and_ids_rise_within_one_month(
    posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    for rows in (posts, comments):
        times = [row["created_utc"] for row in rows]
        assert times == sorted(times)
        assert 1_717_200_000 <= times[0] <= times[-1] < 1_719_792_000
        ids = [int(row["id"], 36) for row in rows]
        assert all(a < b for a, b in pairwise(ids))
        assert all(base36(number) == row["id"] for number, row in zip(ids[:50], rows, strict=False))
    assert all(post["is_self"] == post["url"].endswith(post["permalink"]) for post in posts)


def test_people_write_mostly_in_their_own_community(
    world: World, posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    home = {account.name: account.home for account in world.accounts if account.home >= 0}
    planted = world.planted
    in_home = in_hubs = elsewhere = 0
    for row in [*posts, *comments]:
        if row["author"] in home:
            community = planted[row["subreddit"]]
            in_home += community == home[row["author"]]
            in_hubs += community == -1
            elsewhere += community not in {-1, home[row["author"]]}
    total = in_home + in_hubs + elsewhere
    assert in_home / total > 0.7
    assert 0.1 < in_hubs / total < 0.25
    assert 0.02 < elsewhere / total < 0.15


def test_hubs_bots_and_deleted_authors_are_there(
    world: World, posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    places: dict[str, set[str]] = defaultdict(set)
    people: dict[str, set[str]] = defaultdict(set)
    for row in [*posts, *comments]:
        places[row["author"]].add(row["subreddit"])
        people[row["subreddit"]].add(row["author"])
    deleted = sum(row["author"] == "[deleted]" for row in [*posts, *comments])
    assert 0.01 < deleted / (len(posts) + len(comments)) < 0.05
    assert not any("author_fullname" in row for row in comments if row["author"] == "[deleted]")
    far = {author for author, names in places.items() if len(names) > 100} - {"[deleted]"}
    assert far == {"AutoModerator", "metric_units_bot", "Tireless_Wanderer"}
    by_reach = sorted(people, key=lambda name: len(people[name]), reverse=True)
    assert world.planted[by_reach[0]] == -1
    reached = {
        c
        for account in world.accounts
        if account.name in people[by_reach[0]]
        for c in [account.home]
        if c >= 0
    }
    assert reached == set(range(12))


def test_sizes_activity_and_scores_are_heavy_tailed(
    posts: list[dict[str, Any]], comments: list[dict[str, Any]]
) -> None:
    rows = [*posts, *comments]
    for key in ("author", "subreddit"):
        counts = sorted(Counter(row[key] for row in rows).values(), reverse=True)
        assert sum(counts[: len(counts) // 10]) / len(rows) > 0.35
        assert counts[len(counts) // 2] < sum(counts) / len(counts)
    scores = sorted(row["score"] for row in rows)
    assert scores[0] < 0
    assert scores[len(scores) // 2] <= 3
    assert scores[-1] > 1_000


def test_texts_speak_of_the_theme_and_of_other_subreddits(
    world: World, comments: list[dict[str, Any]]
) -> None:
    planted = world.planted
    mentioned = {
        (comment["subreddit"], name)
        for comment in comments
        for name in re.findall(r"\br/(\w+)", comment["body"])
    }
    assert len(mentioned) > 500
    assert all(planted[there] == planted[here] for here, there in mentioned)
    cooking = [c["body"] for c in comments if planted[c["subreddit"]] == 1]
    assert (
        sum(bool(re.search(r"sour|dough|broth|crust|garlic|oven|spice|glaze", body)) for body in cooking)
        > 500
    )
    assert not any("{" in comment["body"] for comment in comments)
