"""What a crawl stores: all that the listings and the stated cost can reach, once, and as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pytest
from crawl_worlds import areas, crawl, one, stored

from harness import rounds
from natural import contents, versions, write_dump
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops.import_ import import_files
from redclust.rehearsal.reach import Plan, reach
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import AccountFate, Caps, Fate
from redclust.rehearsal.world import World
from redclust.report import Silent

#: Everything that there is.
ALL: dict[str, Any] = {
    "posts": 1000,
    "comments": 100_000,
    "more_requests": 1000,
    "depth": 100,
    "depth_limit": 0,
}


def test_a_whole_world_is_stored_and_a_second_crawl_writes_no_row(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    names = [place.name for place in world.subreddits]
    assert len(names) == 50
    plan = Plan(posts=1000, comments=100_000, depth=100, more_requests=1000)
    expected = reduce(or_, (reach(rehearsal.site, name, plan) for name in names))
    report = crawl(database, rehearsal, *names, **ALL)
    assert report.ok
    posts, comments, users = stored(database)
    assert (posts, comments, users) == (expected.posts, expected.comments, expected.users)
    assert (len(posts), len(comments)) == (len(world.post_list), len(world.comment_list))
    found = contents(database)
    subscribers = {place.name: place.subscribers for place in world.subreddits}
    assert {row[0]: row[3] for row in found["subreddits"]} == subscribers
    assert one(database, "SELECT count(*) FROM users WHERE reddit_id IS NULL") == 0
    first = len(rehearsal.requests())
    # One more for the token.
    assert report.requests == first == expected.requests + 1
    before = versions(database)
    again = crawl(database, rehearsal, *names, **ALL)
    assert again.ok
    assert versions(database) == before
    second = rehearsal.requests(since=first)
    assert again.requests == len(second)
    # What the subreddit is, its listings, and its comments by their ids.
    assert areas(second) == {"token": 1, "about": 50, "listing": 150, "info": areas(second)["info"]}
    assert areas(second)["info"] <= 50 + len(comments) / 50


@pytest.mark.parametrize("seed", rounds(1, 10))
def test_caps_and_the_stated_cost_bound_what_is_stored(
    database: Database, make_rehearsal: Callable[..., Rehearsal], seed: int
) -> None:
    """Small caps, few further requests, deep trees: exactly what the world says that these can reach."""
    world = World.generate(seed=seed, subreddits=5, users=60, communities=1, posts=60, comments=1_200)
    rehearsal = make_rehearsal(world, caps=Caps(listing=8, page=3, comments=9, more=5, depth=3))
    names = [place.name for place in world.subreddits]
    options: dict[str, Any] = {"sort": "new,top", "posts": 7, "comments": 25, "more_requests": 2, "depth": 2}
    plan = Plan(sorts=("new", "top"), posts=7, comments=25, more_requests=2, depth=2)
    for depth in (2, 30):
        options["depth"], plan = depth, replace(plan, depth=depth)
        expected = reduce(or_, (reach(rehearsal.site, name, plan) for name in names))
        report = crawl(database, rehearsal, *names, **options, depth_limit=0)
        assert report.ok
        if depth == 2:
            assert stored(database) == (expected.posts, expected.comments, expected.users)
            assert report.requests == expected.requests + 1
        # What an earlier crawl has stored stays.
        assert stored(database)[1] >= expected.comments
        # The caps do leave something out.
        assert len(expected.comments) < len(world.comment_list)


def test_edits_scores_and_deletions_are_followed(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    place = max(range(len(world.subreddits)), key=lambda i: len(rehearsal.site.posts_in[i]))
    name = world.subreddits[place].name
    crawl(database, rehearsal, name, **ALL)
    site = rehearsal.site
    posts = [site.post_names[i] for i in site.posts_in[place] if site.posts[i].author >= 0]
    comments = [
        site.comment_names[i]
        for i, comment in enumerate(site.comments)
        if site.posts[comment.post].subreddit == place and comment.author >= 0
    ]
    assert len(posts) > 2
    assert len(comments) > 10
    before = versions(database)
    with rehearsal.lock:
        site.edit(posts[0], "another text")
        site.vote(posts[1], 4321)
        site.edit(comments[0], "another comment")
        site.vote(comments[1], -7)
        site.end(comments[2], Fate.DELETED)
        site.end(comments[3], Fate.REMOVED)
    report = crawl(database, rehearsal, name, **ALL)
    assert report.ok
    figures = report.subreddits[0].figures
    assert (figures.posts_added, figures.comments_added) == (0, 0)

    def row(table: str, full_name: str, columns: str) -> tuple[Any, ...] | None:
        with database.connect() as connection:
            identity = int(full_name[3:], 36)
            return connection.execute(f"SELECT {columns} FROM {table} WHERE id = {identity}").fetchone()  # type: ignore[arg-type]

    texts = {posts[0]: site.posts[site.post_at[posts[0]]]}
    column = "url" if texts[posts[0]].link else "selftext"
    assert row("posts", posts[0], "selftext") == ("another text" if column == "selftext" else "",)
    assert row("posts", posts[1], "score") == (4321,)
    assert row("comments", comments[0], "body") == ("another comment",)
    assert row("comments", comments[1], "score") == (-7,)
    assert row("comments", comments[2], "body, author_id") == ("[deleted]", None)
    assert row("comments", comments[3], "body, author_id") == ("[removed]", None)
    # What its author deleted stays so; what a moderator removed may come back.
    found = one(database, "SELECT array_agg(thing_id) FROM tombstones WHERE kind = 'comment'")
    assert int(comments[2][3:], 36) in found
    assert int(comments[3][3:], 36) not in found
    assert versions(database)["users"] == before["users"]
    assert versions(database)["subreddits"] == before["subreddits"]


def test_an_account_that_is_gone_leaves_its_posts(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    name = world.subreddits[0].name
    crawl(database, rehearsal, name, **ALL)
    users = "SELECT u.name FROM posts p JOIN users u ON u.id = p.author_id GROUP BY 1"
    user = one(database, f"{users} ORDER BY count(*) DESC LIMIT 1")
    written = "SELECT count(*) FROM posts p JOIN users u ON u.id = p.author_id WHERE u.name = '%s'"
    assert one(database, written % user) > 0
    with rehearsal.lock:
        rehearsal.site.end_account(user, AccountFate.DELETED)
    posts = one(database, "SELECT count(*) FROM posts")
    crawl(database, rehearsal, name, **ALL)
    assert one(database, written % user) == 0
    assert one(database, "SELECT count(*) FROM posts") == posts


def test_new_comments_and_posts_are_fetched_and_nothing_else(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    name = world.subreddits[0].name
    crawl(database, rehearsal, name, **ALL)
    site = rehearsal.site
    before = rehearsal.requests()[-1].number
    with rehearsal.lock:
        old = site.post_names[site.posts_in[0][0]]
        reply = site.reply(old, world.accounts[5].name, "a new comment")
        post = site.submit(name, world.accounts[6].name, "A new post")
    report = crawl(database, rehearsal, name, **ALL)
    figures = report.subreddits[0].figures
    assert (figures.posts_added, figures.comments_added) == (1, 1)
    assert post in stored(database)[0]
    assert reply in stored(database)[1]
    # The new post has no comments yet, so only the other one is looked at.
    assert areas(rehearsal.requests(since=before))["comments"] == 1


def test_a_dump_and_a_crawl_give_the_newer_of_both(
    database: Database, rehearsal: Rehearsal, world: World, tmp_path: Path
) -> None:
    """Placeholders are filled; a row found unchanged counts from when it was found so."""
    name = world.subreddits[0].name

    def load(rows: list[dict[str, Any]]) -> None:
        path = write_dump(tmp_path / "dump.zst", rows)
        import_files(
            database, [path], filters=Filters(), batch_rows=1000, rejects_dir=tmp_path, progress=Silent()
        )

    comments: list[dict[str, Any]] = [dict(row) for row in world.comments() if row["subreddit"] == name]
    load(comments)
    assert one(database, "SELECT count(*) FROM posts WHERE placeholder") > 0
    crawl(database, rehearsal, name, **ALL)
    assert one(database, "SELECT count(*) FROM posts WHERE placeholder") == 0
    before = contents(database)
    # Older than the crawl, and otherwise: it loses, also against rows that the crawl did not have to write.
    load([{**row, "body": "of the dump", "retrieved_on": row["retrieved_on"] + 60} for row in comments])
    assert contents(database) == before
