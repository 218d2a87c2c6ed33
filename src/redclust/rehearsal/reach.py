"""What a crawl can reach in a site, said without any request: what its rows must be equal to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from redclust.rehearsal import listings, tree
from redclust.rehearsal.site import AccountFate, Site
from redclust.rehearsal.tree import More, Shown

#: Ids that one morechildren request may name.
_IDS_MAX = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """How far a crawl of one subreddit goes.

    ``posts`` of each listing, ``comments`` of the first look at each post, ``depth`` levels of them, and up
    to ``more_requests`` further requests a post for what that look left out: always the ``more`` that stands
    for the most comments, of equal ones the one seen first. "Continue this thread" counts none, so it comes
    last. Of a ``more`` with over 100 ids the first 100 are asked for; the rest waits, counted by its ids.
    """

    sorts: tuple[str, ...] = ("new", "hot", "top")
    period: str = "month"
    posts: int = 100
    comments: int = 500
    depth: int = 10
    more_requests: int = 1


@dataclass(frozen=True, slots=True)
class Reach:
    """Full names of posts and comments, names of the users who wrote them, and what it costs."""

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
    i = site.post_at[post]
    reached: set[str] = set()
    waiting: list[More] = []
    first = tree.look_at_post(site, i, limit=plan.comments, depth=min(plan.depth, site.caps.depth))
    _take(site, first, plan.depth, reached, waiting)
    requests = 0
    while waiting and requests < plan.more_requests:
        one = max(waiting, key=lambda more: more.count)  # the first of equal ones
        waiting.remove(one)
        requests += 1
        if one.children:
            found: Iterable[Shown | More] = tree.look_behind(site, i, one.children[:_IDS_MAX])
            rest = one.children[_IDS_MAX:]
            if rest:
                waiting.append(replace(one, children=rest, count=len(rest)))
        else:
            found = tree.look_at_comment(site, site.comment_at[one.parent], limit=plan.comments)
        _take(site, found, plan.depth, reached, waiting)
    return reached, requests


def _take(
    site: Site, found: Iterable[Shown | More], depth: int, reached: set[str], waiting: list[More]
) -> None:
    for one in found:
        if isinstance(one, Shown):
            if tree.level_of(site, one.comment) < depth:
                reached.add(site.comment_names[one.comment])
            _take(site, one.below, depth, reached, waiting)
        elif _level_below(site, one.parent) < depth:
            waiting.append(one)


def _level_below(site: Site, parent: str) -> int:
    """The level of what answers ``parent``."""
    return tree.level_of(site, site.comment_at[parent]) + 1 if parent in site.comment_at else 0


def _author(site: Site, name: str) -> str | None:
    one = site.posts[site.post_at[name]] if name in site.post_at else site.comments[site.comment_at[name]]
    gone = name in site.fates or site.account_fates.get(one.author) is AccountFate.DELETED
    return None if one.author < 0 or gone else site.accounts[one.author].name
