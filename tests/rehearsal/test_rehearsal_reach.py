"""What a crawl can reach, said without requests, is what the real client finds with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import praw
import pytest
from praw.models import Comment, Submission

from redclust.rehearsal.reach import Plan, Reach, comments_reached, reach
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import Caps, Site, Standing
from redclust.rehearsal.world import World

Rehearse = Callable[..., Rehearsal]
PrawFor = Callable[..., praw.Reddit]

EVERYTHING = Plan(sorts=("new",), posts=1_000, comments=100_000, depth=100, more_requests=10_000)


def walk(reddit: praw.Reddit, name: str, plan: Plan) -> Reach:
    """As a crawler would, with PRAW's own paging and replace_more (without a ``more`` it has no order)."""
    posts: dict[str, Submission] = {}
    subreddit = reddit.subreddit(name)
    for sort in plan.sorts:
        words = {"time_filter": plan.period} if sort == "top" else {}
        posts |= {p.fullname: p for p in getattr(subreddit, sort)(limit=plan.posts, **words)}
    comments: dict[str, Comment] = {}
    for post in posts.values():
        post.comment_limit = plan.comments
        post.comments.replace_more(limit=None if plan.more_requests else 0)
        comments |= {c.fullname: c for c in post.comments.list() if isinstance(c, Comment)}
    users = {str(thing.author) for thing in (*posts.values(), *comments.values()) if thing.author}
    return Reach(frozenset(posts), frozenset(comments), frozenset(users))


@pytest.mark.parametrize("caps", [Caps(), Caps(listing=25, page=10, comments=3, more=2, depth=2)])
@pytest.mark.parametrize(
    "plan",
    [
        Plan(posts=17, more_requests=0),
        Plan(sorts=("top",), period="week", posts=1_000, comments=2, more_requests=0),
        EVERYTHING,
    ],
)
def test_the_real_client_finds_what_is_said(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World, caps: Caps, plan: Plan
) -> None:
    rehearsal = rehearse(caps=caps)
    place = small_world.subreddits[2].name
    said = reach(rehearsal.site, place, plan)
    found = walk(praw_for(rehearsal), place, plan)
    assert (found.posts, found.comments, found.users) == (said.posts, said.comments, said.users)
    assert said.posts
    assert said.comments
    listings = sum(r.area == "listing" for r in rehearsal.requests())
    assert said.listing_requests == listings


def test_everything_is_reached_with_requests_enough(small_world: World) -> None:
    site = Site(small_world, caps=Caps(comments=3, more=2, depth=2))
    reached = Reach()
    for place in small_world.subreddits:
        reached |= reach(site, place.name, EVERYTHING)
    assert reached.posts == set(site.post_names)
    assert reached.comments == set(site.comment_names)


def test_each_more_request_reaches_further(small_world: World) -> None:
    site = Site(small_world, caps=Caps(comments=3, more=4))
    post = max(range(len(site.posts)), key=lambda i: site.posts[i].num_comments)
    name, count = site.post_names[post], site.posts[post].num_comments
    sizes = [len(comments_reached(site, name, Plan(more_requests=n))[0]) for n in range(20)]
    assert sizes[0] == 3
    assert all(a < b for a, b in pairwise(sizes) if a < count)
    assert sizes[-1] == count
    assert comments_reached(site, name, Plan(more_requests=2))[1] == 2


def test_no_more_comments_than_asked_for(small_world: World) -> None:
    site = Site(small_world, caps=Caps(comments=6, more=4))
    post = max(range(len(site.posts)), key=lambda i: site.posts[i].num_comments)
    name = site.post_names[post]
    reached = [comments_reached(site, name, Plan(comments=n, more_requests=100)) for n in (3, 6, 7, 11)]
    assert [len(found) for found, _ in reached] == [3, 6, 7, 11]
    assert [requests for _, requests in reached] == [0, 0, 1, 2]


def test_levels_below_the_depth_are_left_out(small_world: World) -> None:
    site = Site(small_world)
    place = small_world.subreddits[-1].name
    flat = reach(site, place, Plan(depth=1))
    deep = reach(site, place, Plan())
    assert flat.posts == deep.posts
    assert flat.comments < deep.comments
    assert all(site.comments[site.comment_at[name]].parent < 0 for name in flat.comments)


def test_what_is_deleted_or_closed_is_not_reached(small_world: World) -> None:
    site = Site(small_world)
    place = small_world.subreddits[0].name
    before = reach(site, place, EVERYTHING)
    gone = min(before.posts)
    site.end(gone)
    after = reach(site, place, EVERYTHING)
    assert before.posts - after.posts == {gone}
    site.stand(place, Standing.PRIVATE)
    assert reach(site, place, EVERYTHING) == Reach()
    assert reach(site, "nowhere", EVERYTHING) == Reach()
