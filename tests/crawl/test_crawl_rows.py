"""What a crawl stores: all that the listings and the stated cost can reach, once, and as it is now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from crawl_worlds import Reachable, crawl, stored

from harness import rounds
from natural import contents, versions
from redclust.db.session import Database
from redclust.rehearsal.ledger import Request
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import AccountFate, Caps, Fate
from redclust.rehearsal.world import World

#: Everything that there is.
ALL: dict[str, Any] = {
    "posts": 1000,
    "comments": 100_000,
    "more_requests": 1000,
    "depth": 100,
    "depth_limit": 0,
}


def one(database: Database, statement: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


def areas(requests: list[Request]) -> dict[str, int]:
    found: dict[str, int] = {}
    for request in requests:
        found[request.area] = found.get(request.area, 0) + 1
    return found


def test_a_whole_world_is_stored_and_a_second_crawl_writes_no_row(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    names = [place.name for place in world.subreddits]
    report = crawl(database, rehearsal, *names, **ALL)
    assert report.ok
    site = rehearsal.site
    assert stored(database) == Reachable(set(site.post_names), set(site.comment_names))
    authors = {
        world.accounts[t.author].name for t in (*world.post_list, *world.comment_list) if t.author >= 0
    }
    found = contents(database)
    assert {str(row[0]) for row in found["users"]} == authors
    assert {str(row[0]) for row in found["subreddits"]} == set(names)
    assert {row[0]: row[3] for row in found["subreddits"]} == {
        p.name: p.subscribers for p in world.subreddits
    }
    assert one(database, "SELECT count(*) FROM users WHERE reddit_id IS NULL") == 0
    first = len(rehearsal.requests())
    assert report.requests == first
    before = versions(database)
    again = crawl(database, rehearsal, *names, **ALL)
    assert again.ok
    assert versions(database) == before
    second = rehearsal.requests(since=first)
    assert again.requests == len(second)
    assert areas(second).keys() == {"token", "about", "listing", "info"}
    assert len(second) < first * 0.6, (first, areas(second))


@pytest.mark.parametrize("seed", rounds(1, 10))
def test_caps_and_the_stated_cost_bound_what_is_stored(
    database: Database, make_rehearsal: Callable[..., Rehearsal], seed: int
) -> None:
    """Small caps, few further requests: exactly what the world says that these can reach."""
    world = World.generate(seed=seed, subreddits=10, users=60, communities=2, posts=120, comments=2_500)
    rehearsal = make_rehearsal(world, caps=Caps(listing=8, page=3, comments=9, more=5))
    names = [place.name for place in world.subreddits]
    report = crawl(
        database, rehearsal, *names, sort="new,top", posts=7, comments=25, more_requests=2, depth_limit=0
    )
    assert report.ok
    expected = Reachable.of(rehearsal.site, names, sorts="new,top", posts=7, comments=25, more=2)
    assert stored(database) == expected
    assert len(expected.posts) < len(world.post_list)
    assert len(expected.comments) < len(world.comment_list) / 2
    report = crawl(database, rehearsal, *names, **ALL)
    assert report.ok
    assert stored(database).comments > expected.comments


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
    assert {post} < stored(database).posts
    assert {reply} < stored(database).comments
    # The new post has no comments yet, so only the other one is looked at.
    assert areas(rehearsal.requests(since=before)).get("comments") == 1


def test_a_dump_and_a_crawl_give_the_newer_of_both(
    database: Database, rehearsal: Rehearsal, world: World, tmp_path: Any
) -> None:
    """Placeholders are filled; a row found unchanged counts from when it was found so."""
    from natural import write_dump
    from redclust.dumps.read import Filters
    from redclust.ops.import_ import import_files
    from redclust.report import Silent

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
