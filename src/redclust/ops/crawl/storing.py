"""What a crawl does with an answer, in its page's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from redclust.db.connect import Connection
from redclust.ops.crawl import again, authors, discovery, posts, trees
from redclust.ops.crawl.about import described
from redclust.ops.crawl.asking import Answer
from redclust.ops.crawl.reach import PAGE, Reach
from redclust.ops.crawl.state import State
from redclust.reddit.pages import Broken, Page
from redclust.sql import query
from redclust.store.pages import PageWriter


class Storing:
    """Stores the answers about one subreddit; between two pages everything is in the :class:`State`."""

    def __init__(self, name: str, job_id: int, reach: Reach) -> None:
        self._name, self._job_id, self._reach = name, job_id, reach

    def store(self, state: State, answer: Answer, connection: Connection, pages: PageWriter) -> State:
        """Write one page; the state after it."""
        page = answer.page
        match state.step:
            case "about":
                return self._about(state, answer, connection, pages)
            case "listing":
                all_known = posts.known(page, connection)
                after = self._things(state, page, answer.seen_s, connection, pages)
                return _onward(posts.listed(after, page, self._reach, connection, all_known=all_known))
            case "comments":
                wanted = trees.within(state, page, self._reach)
                after = self._things(state, wanted, answer.seen_s, connection, pages)
                return _onward(trees.looked(after, page, self._reach, connection, wanted.comments))
            case "again":
                after = self._things(state, page, answer.seen_s, connection, pages)
                return _onward(again.without(after, answer.taken))
            case "authors":
                return _onward(authors.asked(state, page, connection))
            case "end":
                raise RuntimeError("nothing is left to store")

    def pass_over(self, state: State, connection: Connection, *, counted: str) -> State:
        """Go on without what is in hand; ``counted`` names the figure that it counts in."""
        state = replace(state, figures=state.figures.plus(**{counted: 1}))
        if state.step == "authors":
            return _onward(authors.asked(state, Page(), connection))
        if state.step == "again":
            return _onward(again.without(state, again.comments(state, connection)[1]))
        return _onward(replace(state, tree=None, posts=state.posts[1:]))

    def left(self, state: State) -> int:
        """Requests that are still to come, as far as they can be known."""
        settings = self._reach.settings
        if state.step in ("about", "listing"):
            pages = -(-(settings.posts - state.listed) // PAGE)
            return pages * (len(self._reach.sorts) - state.sort) + settings.posts
        more = min(state.tree.requests_left, len(state.tree.ids)) if state.tree else 0
        return more + len(state.posts) + -(-len(state.known) // 10) + len(state.authors)

    def _about(self, state: State, answer: Answer, connection: Connection, pages: PageWriter) -> State:
        (identity,) = pages.names.ids("subreddits", [self._name]).tolist()
        values = {"id": identity, **described(answer.about or {})}
        connection.execute(query("crawl", "describe_subreddit"), values)
        row = connection.execute(query("crawl", "new_reach"), {"job_id": self._job_id}).fetchone()
        return replace(state.following(), new_reach=int(row[0]) if row and row[0] else 0)

    def _things(
        self, state: State, page: Page, seen_s: float, connection: Connection, pages: PageWriter
    ) -> State:
        """Store things, keep aside what is broken, note which subreddits are mentioned."""
        stored = pages.store(page.posts, page.comments, seen_s=seen_s)
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


#: Steps that are passed over where there is nothing for them to do.
_IDLE: dict[str, Callable[[State], bool]] = {
    "comments": lambda state: not state.posts,
    "again": lambda state: not state.known and not state.gone,
    "authors": lambda state: not state.authors,
}


def _onward(state: State) -> State:
    while state.step in _IDLE and _IDLE[state.step](state):
        state = state.following()
    return state
