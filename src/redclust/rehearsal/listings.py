"""The order in which things are listed, and how a listing is cut into pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from math import log10

from redclust.rehearsal.history import Comment, Post
from redclust.rehearsal.site import Site

DAY_S = 86_400
#: ``t=`` of a top listing, in seconds before now; ``all`` is everything.
PERIODS_S = {
    "hour": 3_600,
    "day": DAY_S,
    "week": 7 * DAY_S,
    "month": 30 * DAY_S,
    "year": 365 * DAY_S,
}
SORTS = ("hot", "new", "top", "controversial")


def _heat(thing: Post | Comment) -> float:
    """Reddit's "hot": an order of magnitude of score weighs as much as 12.5 hours."""
    sign = (thing.score > 0) - (thing.score < 0)
    return sign * log10(max(abs(thing.score), 1)) + thing.created_utc_s / 45_000


def subreddit_order(site: Site, place: int, sort: str, period: str = "all") -> list[str]:
    """Full names of a subreddit's posts as ``sort`` lists them, deleted ones too, up to the cap.

    ``hot`` begins with the pinned posts, ``rising`` has those of the last day by score. Nobody's votes
    are known: ``controversial`` is the lowest scores first.
    """

    def make() -> list[str]:
        posts = site.posts
        chosen = site.posts_in[place]
        if sort == "rising":
            chosen = [i for i in chosen if posts[i].created_utc_s >= site.now_s - DAY_S]
        ordered = _ordered(posts, chosen, "top" if sort == "rising" else sort, period, site.now_s)
        if sort == "hot":
            ordered.sort(key=lambda i: not posts[i].stickied)
        return [site.post_names[i] for i in ordered]

    return site.order(("r", place, sort, period), make)


def user_order(site: Site, account: int, where: str, sort: str = "new", period: str = "all") -> list[str]:
    """Full names of what a user wrote: ``submitted``, ``comments``, or both (``overview``)."""

    def make() -> list[str]:
        things: list[tuple[str, Post | Comment]] = []
        if where != "comments":
            things += [(site.post_names[i], site.posts[i]) for i in site.posts_by.get(account, ())]
        if where != "submitted":
            things += [(site.comment_names[i], site.comments[i]) for i in site.comments_by.get(account, ())]
        things.sort(key=lambda thing: (thing[1].created_utc_s, thing[0]))
        ordered = _ordered([t for _, t in things], range(len(things)), sort, period, site.now_s)
        return [things[i][0] for i in ordered]

    return site.order(("u", account, where, sort, period), make)


def _ordered(
    things: Sequence[Post | Comment], chosen: Sequence[int], sort: str, period: str, now_s: int
) -> list[int]:
    """``chosen`` indices, oldest first, in the order of ``sort``; equals stay newest first."""
    newest_first = list(reversed(chosen))
    if sort == "new":
        return newest_first
    if sort in ("top", "controversial"):
        since_s = now_s - PERIODS_S.get(period, now_s)
        within = [i for i in newest_first if things[i].created_utc_s >= since_s]
        sign = 1 if sort == "controversial" else -1
        return sorted(within, key=lambda i: sign * things[i].score)
    return sorted(newest_first, key=lambda i: -_heat(things[i]))


def page(
    order: list[str], shows: Callable[[str], bool], *, after: str | None, limit: int
) -> tuple[list[str], str | None]:
    """One page and the ``after`` of the next one, None at the end.

    What does not show is passed over, and can still be the ``after`` of a client that saw it; an ``after``
    that was never listed gives an empty page.
    """
    if after and after not in order:
        return [], None
    start = order.index(after) + 1 if after else 0
    names = list(islice((name for name in islice(order, start, None) if shows(name)), limit + 1))
    return names[:limit], names[limit - 1] if len(names) > limit else None
