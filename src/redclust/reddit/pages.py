"""The shapes of Reddit's answers: listings and trees of comments, taken apart thing by thing.

A thing that is none, or that no row can be made of, is kept aside with the reason; the others stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from redclust.dumps.batches import RAW_BYTES
from redclust.dumps.things import comment_batch, post_batch

#: The data of one thing, as Reddit sends it.
Fields = Mapping[str, Any]

POST, COMMENT, SUBREDDIT, MORE = "t3", "t1", "t5", "more"


@dataclass(frozen=True, slots=True)
class Broken:
    """A thing that is lost: what is wrong with it, and the first 64 KiB of its JSON."""

    kind: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class More:
    """Comments that were left out below ``parent`` (a fullname): their ids, and how many Reddit counts.

    Without ids it is "continue this thread": the comments of that parent must be asked for.
    """

    parent: str
    ids: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of things, in Reddit's order, comments before their answers.

    ``posts``, ``comments`` and ``subreddits`` are raw; of the first two rows can be made. ``after`` is where
    the next page begins, None at the end. ``requests`` is what it cost, tokens and retries included.
    """

    posts: tuple[Fields, ...] = ()
    comments: tuple[Fields, ...] = ()
    subreddits: tuple[Fields, ...] = ()
    more: tuple[More, ...] = ()
    broken: tuple[Broken, ...] = ()
    after: str | None = None
    requests: int = 0


class UnexpectedShape(Exception):
    """The answer as a whole is not what the API gives."""


@dataclass(slots=True)
class Gathering:
    """A page in the making."""

    things: dict[str, list[Fields]] = field(default_factory=lambda: {POST: [], COMMENT: [], SUBREDDIT: []})
    more: list[More] = field(default_factory=list[More])
    broken: list[Broken] = field(default_factory=list[Broken])

    def listing(self, answer: object) -> str | None:
        """Take all things of a listing, and those below them; where the next page begins.

        Raises:
            UnexpectedShape: it is no listing.
        """
        data = fields_of(fields_of(answer).get("data"))
        children = data.get("children")
        if fields_of(answer).get("kind") != "Listing" or not isinstance(children, list):
            raise UnexpectedShape("no listing")
        self.take(cast("list[object]", children))
        after = data.get("after")
        return after if isinstance(after, str) and after else None

    def take(self, things: Iterable[object]) -> None:
        """Take things, each with the answers inside it. No recursion: trees can be deep."""
        waiting = [iter(things)]
        while waiting:
            for thing in waiting[-1]:
                below = self._take_one(thing)
                if below is not None:
                    waiting.append(iter(below))
                    break
            else:
                waiting.pop()

    def page(self, *, after: str | None = None, requests: int = 0) -> Page:
        """What was taken, after a look at each thing."""
        posts, comments = self.things[POST], self.things[COMMENT]
        unfit_posts = {reject.line - 1: reject.reason for reject in post_batch(posts).rejects}
        unfit_comments = {reject.line - 1: reject.reason for reject in comment_batch(comments).rejects}
        for kind, things, unfit in ((POST, posts, unfit_posts), (COMMENT, comments, unfit_comments)):
            self.broken += [Broken(kind, reason, _raw(things[i])) for i, reason in unfit.items()]
        return Page(
            posts=tuple(post for i, post in enumerate(posts) if i not in unfit_posts),
            comments=tuple(comment for i, comment in enumerate(comments) if i not in unfit_comments),
            subreddits=tuple(self.things[SUBREDDIT]),
            more=tuple(self.more),
            broken=tuple(self.broken),
            after=after,
            requests=requests,
        )

    def _take_one(self, thing: object) -> list[object] | None:
        kind, data = fields_of(thing).get("kind"), fields_of(fields_of(thing).get("data"))
        if not data or not isinstance(kind, str):
            self.broken.append(Broken("", "not a thing with kind and data", _raw(thing)))
            return None
        if kind == MORE:
            self._take_more(data)
            return None
        if kind not in self.things:
            self.broken.append(Broken(kind, "a thing of another kind", _raw(data)))
            return None
        if kind == SUBREDDIT and not isinstance(data.get("display_name"), str):
            self.broken.append(Broken(kind, "missing key: display_name", _raw(data)))
            return None
        self.things[kind].append({key: value for key, value in data.items() if key != "replies"})
        # Without answers Reddit writes an empty text.
        replies = fields_of(fields_of(data.get("replies")).get("data")).get("children")
        return cast("list[object]", replies) if isinstance(replies, list) else None

    def _take_more(self, data: Fields) -> None:
        ids, parent, count = data.get("children"), data.get("parent_id"), data.get("count")
        named = cast("list[object]", ids) if isinstance(ids, list) else []
        told = [one for one in named if isinstance(one, str) and one.isalnum() and one.isascii()]
        if not isinstance(parent, str) or len(told) != len(named):
            self.broken.append(Broken(MORE, "ids that are none", _raw(data)))
        if isinstance(parent, str):
            self.more.append(More(parent, tuple(told), count if isinstance(count, int) else len(told)))


def fields_of(value: object) -> Fields:
    """A JSON object; nothing where the value is another thing."""
    return cast("Fields", value) if isinstance(value, dict) else {}


def _raw(thing: object) -> str:
    try:
        return json.dumps(thing)[:RAW_BYTES]
    except RecursionError:
        return "nested too deeply to be written"
