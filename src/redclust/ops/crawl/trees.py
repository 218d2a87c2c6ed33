"""A post's comments: what a look at them brought, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from redclust.db.connect import Connection
from redclust.ops.crawl.reach import LEVELS, PAGE, Reach
from redclust.ops.crawl.state import State, Tree
from redclust.reddit.names import base36
from redclust.reddit.pages import Fields, Page
from redclust.sql import query


def within(state: State, page: Page, reach: Reach) -> Page:
    """The page without comments that are deeper or more than was asked for."""
    wanted = [
        c for c, level in zip(page.comments, levels(state, page), strict=True) if level < reach.settings.depth
    ]
    seen = set(state.tree.seen) if state.tree else set[str]()
    room = reach.settings.comments - len(seen)
    old = [c for c in wanted if c["id"] in seen]
    return replace(page, comments=(*old, *[c for c in wanted if c["id"] not in seen][:room]))


def looked(state: State, page: Page, reach: Reach, connection: Connection, stored: Sequence[Fields]) -> State:
    """The state after this page, of which ``stored`` has been stored."""
    names = [f"t1_{comment['id']}" for comment in page.comments]
    at = dict(zip(names, levels(state, page), strict=True))
    tree = _grown(state, page, at, [str(c["id"]) for c in stored], reach)
    left = tree.requests_left > 0 and bool(tree.ids or tree.threads)
    if left and len(tree.seen) < reach.settings.comments:
        return replace(state, tree=tree)
    return _done(state, tree, reach, connection)


def levels(state: State, page: Page) -> list[int]:
    """How deep each comment of a page is, 0 for an answer to the post."""
    tree = state.tree
    # A look at one comment counts from that comment.
    base = tree.threads[0][1] if tree and not tree.ids else 0
    told = [comment.get("depth") for comment in page.comments]
    return [base + level if isinstance(level, int) and level >= 0 else base for level in told]


def _grown(state: State, page: Page, at: Mapping[str, int], stored: Sequence[str], reach: Reach) -> Tree:
    """The post in hand with what this page brought, and what it left out."""
    before = state.tree
    ids, threads = (before.ids, before.threads) if before else ((), ())
    requests_left = before.requests_left - 1 if before else reach.settings.more_requests
    if before and ids:
        ids = ids[PAGE:]
    elif before:
        threads = threads[1:]
    seen = dict.fromkeys([*(before.seen if before else ()), *stored])
    new = (one for more in page.more for one in more.ids if one not in seen)
    ids = tuple(dict.fromkeys([*ids, *new]))[: requests_left * PAGE]
    if reach.settings.depth > LEVELS:
        below = [
            (more.parent.removeprefix("t1_"), at[more.parent])
            for more in page.more
            if not more.ids and more.parent in at
        ]
        threads = tuple(dict.fromkeys([*threads, *below]))[:requests_left]
    post, count = (before.post, before.num_comments) if before else state.posts[0]
    return Tree(post, count, ids, threads, requests_left, tuple(seen))


def _done(state: State, tree: Tree, reach: Reach, connection: Connection) -> State:
    """The post's comments have been looked at as far as they are to be."""
    identity = int(tree.post, 36)
    now = {int(one, 36) for one in tree.seen}
    row = connection.execute(query("crawl", "looked_at_comments"), {"ids": [identity]}).fetchone()
    gone = sorted(set(row[1]) - now) if row else []
    values = {"num_comments": tree.num_comments, "reach": reach.of_comments}
    values |= {"id": identity, "comment_ids": sorted(now)}
    connection.execute(query("crawl", "write_look"), values)
    return replace(state, tree=None, posts=state.posts[1:], gone=(*state.gone, *map(base36, gone)))
