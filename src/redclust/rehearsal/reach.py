"""What a crawl can reach in a site, said without any request: what its rows must be equal to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from redclust.rehearsal import listings, tree
from redclust.rehearsal.site import COMMENT, AccountFate, Site
from redclust.rehearsal.tree import More, Shown

#: What one request brings or names at most, as clients of Reddit ask.
_LOOK, _IDS, _LEVELS = 500, 100, 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How far a crawl of one subreddit goes.

    ``posts`` of each listing; of each post ``comments``, ``depth`` levels deep. What the first look at a
    post left out costs up to ``more_requests`` further ones: the ids of all its ``more`` together, in the
    order they were met, 100 a request; then, for a ``depth`` over 10, the threads that go on, a look each.
    """

    sorts: tuple[str, ...] = ("new", "hot", "top")
    period: str = "month"
    posts: int = 100
    comments: int = 500
    depth: int = 10
    more_requests: int = 1


@dataclass(frozen=True, slots=True)
class Reach:
    """Full names of posts and comments, names of the users who wrote them, and what it costs at most.

    A crawler that sees that ``new`` has shown all posts there are may leave the other listings out.
    """

    posts: frozenset[str] = frozenset()
    comments: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    listing_requests: int = 0
    comment_requests: int = 0  # first looks, none at a post without comments
    more_requests: int = 0

    @property
    def requests(self) -> int:
        """With the one for the subreddit itself, without tokens and without discovery."""
        return 1 + self.listing_requests + self.comment_requests + self.more_requests

    def __or__(self, other: Reach) -> Reach:
        """Both together; the subreddit of ``other`` is one more listing request."""
        return Reach(
            self.posts | other.posts,
            self.comments | other.comments,
            self.users | other.users,
            self.listing_requests + other.listing_requests + 1,
            self.comment_requests + other.comment_requests,
            self.more_requests + other.more_requests,
        )


def reach(site: Site, subreddit: str, plan: Plan) -> Reach:
    """Follow ``plan`` through a subreddit that was never crawled; nothing where it does not show itself."""
    place = site.place_at.get(subreddit.lower())
    if place is None or place in site.standings:
        return Reach()
    posts: dict[str, None] = {}
    pages = 0
    for sort in plan.sorts:
        order = listings.subreddit_order(site, place, sort, plan.period if sort == "top" else "all")
        names, requests = _read(site, order, plan.posts)
        posts.update(dict.fromkeys(names))
        pages += requests
    comments: set[str] = set()
    looked = more = 0
    for name in posts:
        if plan.comments and site.posts[site.post_at[name]].num_comments:
            below, requests = comments_reached(site, name, plan)
            comments |= below
            looked += 1
            more += requests
    users = frozenset(filter(None, (_author(site, name) for name in (*posts, *comments))))
    return Reach(frozenset(posts), frozenset(comments), users, pages, looked, more)


def _read(site: Site, order: list[str], wanted: int) -> tuple[list[str], int]:
    """The first ``wanted`` names of a listing that show, and the requests that takes."""
    names: list[str] = []
    after, requests = None, 0
    while requests == 0 or (after and len(names) < wanted):
        limit = min(site.caps.page, wanted - len(names))
        found, after = listings.page(order, lambda name: name not in site.fates, after=after, limit=limit)
        names += found
        requests += 1
    return names, requests


def comments_reached(site: Site, post: str, plan: Plan) -> tuple[set[str], int]:
    """Full names of a post's comments within ``plan``, and the requests after the first look."""
    return _Walk(site, site.post_at[post], plan).run()


class _Walk:
    """A crawler's way through the comments of one post."""

    def __init__(self, site: Site, post: int, plan: Plan) -> None:
        self._site, self._post, self._plan = site, post, plan
        self._seen: dict[str, None] = {}
        self._ids: dict[str, None] = {}
        self._threads: dict[str, None] = {}

    def run(self) -> tuple[set[str], int]:
        plan, site = self._plan, self._site
        first = min(_LOOK, plan.comments)
        self._take(tree.look_at_post(site, self._post, limit=first, depth=min(_LEVELS, plan.depth)))
        requests = 0
        while requests < plan.more_requests and len(self._seen) < plan.comments:
            if self._ids:
                asked = list(self._ids)[:_IDS]
                for one in asked:
                    del self._ids[one]
                found: Iterable[Shown | More] = tree.look_behind(site, self._post, asked)
            elif self._threads and plan.depth > _LEVELS:
                parent = site.comment_at[next(iter(self._threads))]
                del self._threads[site.comment_names[parent]]
                levels = min(_LEVELS, plan.depth - tree.level_of(site, parent))
                found = tree.look_at_comment(site, parent, limit=_LOOK, depth=levels)
            else:
                break
            requests += 1
            self._take(found)
        return set(self._seen), requests

    def _take(self, found: Iterable[Shown | More]) -> None:
        for one in found:
            if isinstance(one, More):
                new = (child for child in one.children if f"{COMMENT}{child}" not in self._seen)
                self._ids.update(dict.fromkeys(new))
                if not one.children:
                    self._threads[one.parent] = None
                continue
            within = tree.level_of(self._site, one.comment) < self._plan.depth
            if within and len(self._seen) < self._plan.comments:
                self._seen[self._site.comment_names[one.comment]] = None
            self._take(one.below)


def _author(site: Site, name: str) -> str | None:
    one = site.posts[site.post_at[name]] if name in site.post_at else site.comments[site.comment_at[name]]
    gone = name in site.fates or site.account_fates.get(one.author) is AccountFate.DELETED
    return None if one.author < 0 or gone else site.accounts[one.author].name
