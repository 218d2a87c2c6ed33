"""What a crawl asks Reddit for next."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

from redclust.ops.crawl import again, authors
from redclust.ops.crawl.reach import LEVELS, LOOK, PAGE, Reach
from redclust.ops.crawl.state import State
from redclust.queue import Worker
from redclust.reddit.client import Client, Sort
from redclust.reddit.failures import Unavailable, Verdict
from redclust.reddit.pages import Fields, Page


class Fact(Exception):
    """The subreddit as a whole cannot be read."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class NotShown(Exception):
    """The post or author in hand is not shown; the crawl goes on without it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one step brought.

    ``seen_s`` is when it was asked for (Unix time), ``taken`` how many of the known posts it looked at again.
    """

    seen_s: float
    page: Page = field(default_factory=Page)
    about: Fields | None = None
    taken: int = 0


class Asking:
    """The questions about one subreddit."""

    def __init__(self, client: Client, name: str, reach: Reach) -> None:
        self._client, self._name, self._reach = client, name, reach

    def ask(self, state: State, worker: Worker) -> Answer:
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
                    return Answer(seen_s, self._listing(state))
                case "comments":
                    return Answer(seen_s, self._comments(state))
                case "again":
                    ids, taken = worker.reliably(lambda c: again.comments(state, c))
                    page = self._client.info([f"t1_{one}" for one in ids]) if ids else Page()
                    return Answer(seen_s, page, taken=taken)
                case "authors":
                    author = worker.reliably(lambda c: authors.name_of(state, c))
                    return Answer(seen_s, self._client.user_activity(author) if author else Page())
                case "end":
                    raise RuntimeError("nothing is left to ask for")
        except Unavailable as gone:
            if state.step in ("about", "listing"):
                raise Fact(gone.verdict) from None
            if state.step == "comments" and gone.verdict is not Verdict.MISSING:
                self._require_readable()
            raise NotShown from None

    def _listing(self, state: State) -> Page:
        settings = self._reach.settings
        return self._client.listing(
            self._name,
            cast("Sort", self._reach.sorts[state.sort]),
            time=settings.time,
            after=state.after,
            limit=min(PAGE, settings.posts - state.listed),
        )

    def _comments(self, state: State) -> Page:
        settings = self._reach.settings
        tree = state.tree
        if tree is None:
            depth = min(LEVELS, settings.depth)
            return self._client.comments(state.posts[0][0], limit=min(LOOK, settings.comments), depth=depth)
        if tree.ids:
            return self._client.more_children(tree.post, tree.ids[:PAGE])
        below, level = tree.threads[0]
        depth = min(LEVELS, settings.depth - level)
        return self._client.comments(tree.post, below=below, limit=LOOK, depth=depth)

    def _require_readable(self) -> None:
        """A post that is forbidden may be so because its subreddit is by now."""
        try:
            self._client.about(self._name)
        except Unavailable as gone:
            raise Fact(gone.verdict) from None
