"""What a crawl asks Reddit for, step by step, and what it does with each answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from redclust.db.connect import Connection
from redclust.duration import seconds
from redclust.ops.crawl import discovery
from redclust.ops.crawl.about import described
from redclust.ops.crawl.reach import LOOK, PAGE, Reach
from redclust.ops.crawl.state import State, Tree
from redclust.reddit.client import Client, Sort
from redclust.reddit.failures import Unavailable, Verdict
from redclust.reddit.pages import Broken, Fields, Page
from redclust.sql import query
from redclust.store.pages import PageWriter, Stored

#: Levels that one look at a post shows at most.
LEVELS = 10
#: Reddit lists no more than these: a listing that came to its end has no gap behind it.
ALL_POSTS = 1000


class Fact(Exception):
    """The subreddit as a whole cannot be read."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class NotShown(Exception):
    """The post or author in hand is not shown; the crawl goes on without it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one step brought: ``seen_s`` is when it was asked (Unix time), ``taken`` how many of the known
    posts were looked at again with it.
    """

    seen_s: float
    page: Page = field(default_factory=Page)
    about: Fields | None = None
    taken: int = 0


class Steps:
    """The steps of one subreddit; between two of them everything is in the :class:`State`."""

    def __init__(self, client: Client, name: str, job_id: int, reach: Reach) -> None:
        self._client, self._name, self._job_id, self._reach = client, name, job_id, reach

    def ask(self, state: State, connection: Connection) -> Answer:
        """Ask for the next page; no transaction is open meanwhile.

        Raises:
            Fact: the subreddit cannot be read.
            NotShown: the post or author in hand cannot.
            RedditRefused, Interrupted: as :class:`~redclust.reddit.client.Client`.
        """
        seen_s = time.time()
        try:
            match state.step:
                case "about":
                    return Answer(seen_s, about=self._client.about(self._name))
                case "listing":
                    return Answer(seen_s, self._ask_listing(state))
                case "comments":
                    return Answer(seen_s, self._ask_comments(state))
                case "again":
                    return self._ask_again(state, connection, seen_s)
                case "authors":
                    return Answer(seen_s, self._ask_author(state, connection))
                case "end":
                    raise RuntimeError("nothing is left to ask for")
        except Unavailable as gone:
            if state.step in ("about", "listing"):
                raise Fact(gone.verdict) from None
            if state.step == "comments" and gone.verdict is not Verdict.MISSING:
                self._require_readable()
            raise NotShown from None

    def store(self, state: State, answer: Answer, connection: Connection, pages: PageWriter) -> State:
        """Write one page; the state after it. In the page's transaction."""
        match state.step:
            case "about":
                return self._store_about(state, answer, connection, pages)
            case "listing":
                after = self._store_listing(state, answer, connection, pages)
            case "comments":
                after = self._store_comments(state, answer, connection, pages)
            case "again":
                after = self._store_again(state, answer, connection, pages)
            case "authors":
                after = self._store_author(state, answer, connection)
            case "end":
                raise RuntimeError("nothing is left to store")
        return _onward(after)

    def pass_over(self, state: State, connection: Connection, *, counted: str) -> State:
        """Go on without what is in hand; ``counted`` names the figure that it counts in."""
        figures = state.figures.plus(**{counted: 1})
        if state.step == "authors":
            self._mark_author(state, connection)
            return _onward(replace(state, authors=state.authors[1:], figures=figures))
        if state.step == "again":
            taken = self._comments_again(state, connection)[1]
            return _onward(replace(state, figures=figures, **_without_taken(state, taken)))
        return _onward(replace(state, tree=None, posts=state.posts[1:], figures=figures))

    def left(self, state: State) -> int:
        """Requests that are still to come, as far as they can be known."""
        pages = -(-(self._reach.settings.posts - state.listed) // PAGE)
        if state.step in ("about", "listing"):
            return pages * (len(self._reach.sorts) - state.sort) + self._reach.settings.posts
        more = min(state.tree.requests_left, len(state.tree.ids)) if state.tree else 0
        return more + len(state.posts) + -(-len(state.known) // 10) + len(state.authors)

    # about

    def _store_about(self, state: State, answer: Answer, connection: Connection, pages: PageWriter) -> State:
        (identity,) = pages.names.ids("subreddits", [self._name]).tolist()
        values = {"id": identity, **described(answer.about or {})}
        connection.execute(query("crawl", "describe_subreddit"), values)
        row = connection.execute(query("crawl", "new_reach"), {"job_id": self._job_id}).fetchone()
        reached = int(row[0]) if row and row[0] else 0
        return replace(state.following(), new_reach=reached)

    def _require_readable(self) -> None:
        try:
            self._client.about(self._name)
        except Unavailable as gone:
            raise Fact(gone.verdict) from None

    # listings

    def _ask_listing(self, state: State) -> Page:
        settings = self._reach.settings
        return self._client.listing(
            self._name,
            cast("Sort", self._reach.sorts[state.sort]),
            time=settings.time,
            after=state.after,
            limit=min(PAGE, settings.posts - state.listed),
        )

    def _store_listing(
        self, state: State, answer: Answer, connection: Connection, pages: PageWriter
    ) -> State:
        page, settings = answer.page, self._reach.settings
        ids = [int(str(post["id"]), 36) for post in page.posts]
        known = _one(connection, "seen_posts", ids=ids)
        stored = pages.store(page.posts, page.comments, seen_s=answer.seen_s)
        state = self._chosen(state, page, ids, connection)
        state = self._found(state, page, stored, connection)
        listed = state.listed + max(1, len(page.posts) + len(page.broken))
        is_new = self._reach.sorts[state.sort] == "new"
        met = is_new and bool(ids) and known == len(ids) and state.new_reach >= settings.posts
        ended = page.after is None or page.after == state.after
        if not (ended or met or listed >= settings.posts):
            return replace(state, after=page.after, listed=listed)
        reach = state.new_reach
        if is_new and not met:
            reach = ALL_POSTS if ended else settings.posts
        state = replace(state, sort=state.sort + 1, after=None, listed=0, new_reach=reach)
        # Once `new` has shown every post there is, no other listing has another one.
        everything = is_new and page.after is None and listed < ALL_POSTS
        return state.following() if everything or state.sort == len(self._reach.sorts) else state

    def _chosen(self, state: State, page: Page, ids: list[int], connection: Connection) -> State:
        """Which posts' comments to ask for, which to look at again, and which authors to ask."""
        settings = self._reach.settings
        looks = {
            identity: tuple(rest)
            for identity, *rest in connection.execute(query("crawl", "post_looks"), {"ids": ids})
        }
        there = {name for name, _ in state.posts} | set(state.known)
        posts, known = list(state.posts), list(state.known)
        for post, identity in zip(page.posts, ids, strict=True):
            name, told = str(post["id"]), post.get("num_comments")
            count = told if isinstance(told, int) else -1
            if name in there or count == 0 or not settings.comments:
                continue
            there.add(name)
            seen, reach, comments = looks.get(identity, (-1, "", 0))
            if seen != count or reach != self._reach.of_comments or comments > PAGE or count < 0:
                posts.append((name, count))
            elif comments:
                known.append(name)
        authors = list(state.authors)
        if self._reach.discovers and len(authors) < settings.discover_authors:
            values = {"ids": ids, "recheck_after_s": seconds(settings.recheck_after)}
            row = connection.execute(query("crawl", "authors_to_ask"), values).fetchone()
            authors += [one for one in (row[0] if row and row[0] else ()) if one not in authors]
        return replace(
            state,
            posts=tuple(posts),
            known=tuple(known),
            authors=tuple(authors[: settings.discover_authors]),
        )

    # comments

    def _ask_comments(self, state: State) -> Page:
        settings = self._reach.settings
        tree = state.tree
        if tree is None:
            return self._client.comments(
                state.posts[0][0], limit=min(LOOK, settings.comments), depth=min(LEVELS, settings.depth)
            )
        if tree.ids:
            return self._client.more_children(tree.post, tree.ids[:PAGE])
        below, level = tree.threads[0]
        depth = min(LEVELS, settings.depth - level)
        return self._client.comments(tree.post, below=below, limit=LOOK, depth=depth)

    def _store_comments(
        self, state: State, answer: Answer, connection: Connection, pages: PageWriter
    ) -> State:
        before, settings = state.tree, self._reach.settings
        base = before.threads[0][1] if before and not before.ids else 0
        levels = {f"t1_{c['id']}": base + _level(c) for c in answer.page.comments}
        room = settings.comments - (len(before.seen) if before else 0)
        wanted = [c for c in answer.page.comments if levels[f"t1_{c['id']}"] < settings.depth]
        seen = set(before.seen) if before else set[str]()
        comments = [c for c in wanted if c["id"] in seen] + [c for c in wanted if c["id"] not in seen][:room]
        stored = pages.store(answer.page.posts, comments, seen_s=answer.seen_s)
        state = self._found(state, replace(answer.page, comments=tuple(comments)), stored, connection)
        tree = _grown(state, answer.page, levels, [str(c["id"]) for c in comments], settings.more_requests)
        if settings.depth <= LEVELS:
            tree = replace(tree, threads=())
        left = tree.requests_left > 0 and bool(tree.ids or tree.threads)
        if left and len(tree.seen) < settings.comments:
            return replace(state, tree=tree)
        return self._looked(state, tree, connection)

    def _looked(self, state: State, tree: Tree, connection: Connection) -> State:
        """A post's comments have been looked at as far as they are to be."""
        identity = int(tree.post, 36)
        now = {int(one, 36) for one in tree.seen}
        row = connection.execute(query("crawl", "looked_at_comments"), {"ids": [identity]}).fetchone()
        gone = sorted(set(row[1]) - now) if row else []
        values = {"num_comments": tree.num_comments, "reach": self._reach.of_comments}
        values |= {"id": identity, "comment_ids": sorted(now)}
        connection.execute(query("crawl", "write_look"), values)
        gone_names = tuple(base36(one) for one in gone)
        return replace(state, tree=None, posts=state.posts[1:], gone=state.gone + gone_names)

    # comments that were there before

    def _comments_again(self, state: State, connection: Connection) -> tuple[list[str], int]:
        """Ids for one request, and how many of the known posts they are of (0: they are of ``gone``)."""
        if state.gone:
            return list(state.gone[:PAGE]), 0
        known = [int(name, 36) for name in state.known[:PAGE]]
        rows = connection.execute(query("crawl", "looked_at_comments"), {"ids": known})
        looks: dict[int, list[int]] = {int(i): ids for i, ids in rows}
        ids: list[str] = []
        taken = 0
        for identity in known:
            of_post = looks.get(identity, [])
            if len(ids) + len(of_post) > PAGE and taken:
                break
            ids += [base36(one) for one in of_post[:PAGE]]
            taken += 1
        return ids, taken

    def _ask_again(self, state: State, connection: Connection, seen_s: float) -> Answer:
        ids, taken = self._comments_again(state, connection)
        page = self._client.info([f"t1_{one}" for one in ids]) if ids else Page()
        return Answer(seen_s, page, taken=taken)

    def _store_again(self, state: State, answer: Answer, connection: Connection, pages: PageWriter) -> State:
        stored = pages.store(answer.page.posts, answer.page.comments, seen_s=answer.seen_s)
        state = self._found(state, answer.page, stored, connection)
        return replace(state, **_without_taken(state, answer.taken))

    # authors

    def _ask_author(self, state: State, connection: Connection) -> Page:
        row = connection.execute(query("crawl", "author_name"), {"id": state.authors[0]}).fetchone()
        return self._client.user_activity(str(row[0])) if row else Page()

    def _store_author(self, state: State, answer: Answer, connection: Connection) -> State:
        self._mark_author(state, connection)
        found = discovery.active_in([*answer.page.posts, *answer.page.comments])
        return replace(state.with_found(found), authors=state.authors[1:])

    def _mark_author(self, state: State, connection: Connection) -> None:
        connection.execute(query("crawl", "write_author_look"), {"id": state.authors[0]})

    # what all pages of things have in common

    def _found(self, state: State, page: Page, stored: Stored, connection: Connection) -> State:
        """Count what was stored, keep aside what is broken, note which subreddits are mentioned."""
        keep_aside(connection, self._name, page.broken)
        figures = state.figures.plus(
            posts_added=stored.posts.added,
            posts_changed=stored.posts.replaced,
            comments_added=stored.comments.added,
            comments_changed=stored.comments.replaced,
            deleted=stored.deleted,
            broken=len(page.broken),
        )
        state = replace(state, figures=figures)
        if not self._reach.discovers:
            return state
        return state.with_found(discovery.mentioned(page.posts, page.comments))


def keep_aside(connection: Connection, subreddit: str, broken: Sequence[Broken]) -> None:
    """Keep things that no row could be made of, each once."""
    if broken:
        columns = {
            "kinds": [one.kind for one in broken],
            "reasons": [one.reason for one in broken],
            "raws": [one.raw for one in broken],
        }
        connection.execute(query("crawl", "keep_aside"), {"subreddit": subreddit, **columns})


def _onward(state: State) -> State:
    """Past the steps that have nothing to do."""
    idle: dict[str, Callable[[State], bool]] = {
        "comments": lambda s: not s.posts,
        "again": lambda s: not s.known and not s.gone,
        "authors": lambda s: not s.authors,
    }
    while state.step in idle and idle[state.step](state):
        state = state.following()
    return state


def base36(number: int) -> str:
    """An id as Reddit writes it."""
    return np.base_repr(number, 36).lower()


def _without_taken(state: State, taken: int) -> dict[str, Any]:
    return {"known": state.known[taken:]} if taken else {"gone": state.gone[PAGE:]}


def _grown(
    state: State, page: Page, levels: Mapping[str, int], stored: Sequence[str], more_requests: int
) -> Tree:
    """The post in hand with what this page brought, and what it left out."""
    before = state.tree
    ids, threads = (before.ids, before.threads) if before else ((), ())
    requests_left = before.requests_left - 1 if before else more_requests
    if before and ids:
        ids = ids[PAGE:]
    elif before:
        threads = threads[1:]
    seen = dict.fromkeys([*(before.seen if before else ()), *stored])
    new = (one for more in page.more for one in more.ids if one not in seen)
    ids = tuple(dict.fromkeys([*ids, *new]))[: requests_left * PAGE]
    below = [
        (more.parent.removeprefix("t1_"), levels[more.parent])
        for more in page.more
        if not more.ids and more.parent in levels
    ]
    threads = tuple(dict.fromkeys([*threads, *below]))[:requests_left]
    post, count = (before.post, before.num_comments) if before else state.posts[0]
    return Tree(post, count, ids, threads, requests_left, tuple(seen))


def _level(comment: Fields) -> int:
    level = comment.get("depth")
    return level if isinstance(level, int) and level >= 0 else 0


def _one(connection: Connection, name: str, **values: Any) -> int:
    row = connection.execute(query("crawl", name), values).fetchone()
    return int(row[0]) if row else 0
