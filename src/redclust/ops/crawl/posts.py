"""A page of a listing: which posts' comments to ask for, and whether the listing goes on."""

from __future__ import annotations

from dataclasses import replace

from redclust.db.connect import Connection
from redclust.ops.crawl import authors
from redclust.ops.crawl.reach import ALL_POSTS, PAGE, Reach
from redclust.ops.crawl.state import State
from redclust.reddit.pages import Page
from redclust.sql import query


def known(page: Page, connection: Connection) -> bool:
    """Whether every post of this page has been seen before; to be asked before the page is stored."""
    values = {"ids": ids_of(page)}
    row = connection.execute(query("crawl", "seen_posts"), values).fetchone()
    return bool(page.posts) and row is not None and row[0] == len(page.posts)


def listed(state: State, page: Page, reach: Reach, connection: Connection, *, all_known: bool) -> State:
    """The state after this page, which has been stored."""
    state, all_looked_at = _chosen(state, page, reach, connection)
    state = authors.choose(state, ids_of(page), reach, connection)
    count = state.listed + max(1, len(page.posts) + len(page.broken))
    is_new = reach.sorts[state.sort] == "new"
    # What is known has no gap behind it as far as it is asked for, nor posts looked at in another way.
    met = is_new and all_known and all_looked_at and state.new_reach >= reach.settings.posts
    ended = page.after is None or page.after == state.after
    if not (ended or met or count >= reach.settings.posts):
        return replace(state, after=page.after, listed=count)
    new_reach = state.new_reach
    if is_new and not met:
        new_reach = ALL_POSTS if ended else reach.settings.posts
    state = replace(state, sort=state.sort + 1, after=None, listed=0, new_reach=new_reach)
    return state.following() if state.sort == len(reach.sorts) else state


def ids_of(page: Page) -> list[int]:
    return [int(str(post["id"]), 36) for post in page.posts]


def _chosen(state: State, page: Page, reach: Reach, connection: Connection) -> tuple[State, bool]:
    """With the posts of this page that are to be looked at, and whether all have been once, in this way.

    Posts with as many comments as at the last look are looked at by these comments' ids only.
    """
    ids = ids_of(page)
    rows = connection.execute(query("crawl", "post_looks"), {"ids": ids})
    looks = {int(identity): (count, told, comments) for identity, count, told, comments in rows}
    there = {name for name, _ in state.posts} | set(state.known)
    posts, known_ones, all_looked_at = list(state.posts), list(state.known), True
    for post, identity in zip(page.posts, ids, strict=True):
        name, told = str(post["id"]), post.get("num_comments")
        count = told if isinstance(told, int) else -1
        if count == 0 or not reach.settings.comments:
            continue
        seen, how, comments = looks.get(identity, (-1, "", 0))
        all_looked_at &= how == reach.of_comments
        if name in there:
            continue
        there.add(name)
        if seen != count or how != reach.of_comments or comments > PAGE or count < 0:
            posts.append((name, count))
        elif comments:
            known_ones.append(name)
    return replace(state, posts=tuple(posts), known=tuple(known_ones)), all_looked_at
