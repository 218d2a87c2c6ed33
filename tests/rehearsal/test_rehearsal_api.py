"""The rehearsal Reddit, asked by the real PRAW over HTTP: all of the world, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import praw
import praw.models
import prawcore
import pytest
import requests
from praw.models import Comment, MoreComments

from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.oauth import REFRESH_TOKEN, Clients
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import AccountFate, Caps, Fate, Standing
from redclust.rehearsal.world import World, comment_row, submission_row

Rehearse = Callable[..., Rehearsal]
PrawFor = Callable[..., praw.Reddit]
Http = Callable[..., requests.Response]


def names_of(world: World, place: int) -> list[str]:
    """Full names of a subreddit's posts, newest first."""
    return [str(submission_row(world, p)["name"]) for p in reversed(world.post_list) if p.subreddit == place]


def test_about_says_what_the_world_says(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    reddit = praw_for(rehearse())
    for place in small_world.subreddits[:3]:
        found = reddit.subreddit(place.name.upper())
        assert found.subscribers == place.subscribers
        assert (found.display_name, found.over18) == (place.name, False)
        assert found.fullname == f"t5_{found.id}"


def test_new_pages_through_a_whole_subreddit(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World
) -> None:
    rehearsal = rehearse()
    place = len(small_world.subreddits) - 1
    subreddit = praw_for(rehearsal).subreddit(small_world.subreddits[place].name)
    expected = names_of(small_world, place)
    assert len(expected) > 100
    assert [post.fullname for post in subreddit.new(limit=None)] == expected
    pages = [r for r in rehearsal.requests() if r.area == "listing"]
    assert len(pages) == -(-len(expected) // 100)


def test_posts_and_comments_have_the_worlds_fields(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World
) -> None:
    reddit = praw_for(rehearse())
    rows = [submission_row(small_world, post) for post in small_world.post_list[-60:]]
    rows += [comment_row(small_world, comment) for comment in small_world.comment_list[-60:]]
    found = {thing.fullname: thing for thing in reddit.info(fullnames=[str(row["name"]) for row in rows])}
    assert len(found) == len(rows)
    for row in rows:
        thing = found[str(row["name"])]
        assert (str(thing.author) if thing.author else "[deleted]") == row["author"]
        assert getattr(thing, "author_fullname", None) == row.get("author_fullname")
        for key in ("subreddit_id", "score", "created_utc", "edited", "permalink", "stickied"):
            assert getattr(thing, key) == row[key]
        own = ("body", "link_id", "parent_id", "is_submitter") if isinstance(thing, Comment) else ("title",)
        for key in own:
            assert getattr(thing, key) == row[key]
        if not isinstance(thing, Comment):
            for key in ("selftext", "url", "is_self", "over_18", "num_comments", "domain"):
                assert getattr(thing, key) == row[key]


def test_top_and_hot_and_rising_order(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    rehearsal = rehearse()
    subreddit = praw_for(rehearsal).subreddit(small_world.subreddits[-1].name)
    everything = names_of(small_world, len(small_world.subreddits) - 1)
    top = list(subreddit.top(time_filter="all", limit=None))
    assert sorted(p.fullname for p in top) == sorted(everything)
    scores = [post.score for post in top]
    assert scores == sorted(scores, reverse=True)
    week = list(subreddit.top(time_filter="week", limit=None))
    since = rehearsal.site.now_s - 7 * 86_400
    assert {p.fullname for p in week} == {p.fullname for p in top if p.created_utc >= since}
    assert 0 < len(week) < len(top)
    hot = list(subreddit.hot(limit=None))
    assert sorted(p.fullname for p in hot) == sorted(everything)
    assert hot[0].stickied
    assert [p.fullname for p in hot] not in (everything, [p.fullname for p in top])
    day = {p.fullname for p in subreddit.rising(limit=None)}
    assert day == {p.fullname for p in top if p.created_utc >= rehearsal.site.now_s - 86_400}


def test_no_listing_goes_beyond_the_cap(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    rehearsal = rehearse(caps=Caps(listing=130))
    place = len(small_world.subreddits) - 1
    subreddit = praw_for(rehearsal).subreddit(small_world.subreddits[place].name)
    assert len(names_of(small_world, place)) > 130
    for listing in (subreddit.new, subreddit.top, subreddit.hot):
        assert len(list(listing(limit=None))) == 130


def comments_of(post: praw.models.Submission) -> list[Comment]:
    return [one for one in post.comments.list() if isinstance(one, Comment)]


def busiest(world: World) -> tuple[str, int]:
    post, count = Counter(comment.post for comment in world.comment_list).most_common(1)[0]
    return str(submission_row(world, world.post_list[post])["id"]), count


def test_a_post_shows_all_its_comments_in_a_tree(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World
) -> None:
    identity, count = busiest(small_world)
    post = praw_for(rehearse()).submission(identity)
    assert len(comments_of(post)) == count == post.num_comments
    for comment in comments_of(post):
        for reply in comment.replies:
            assert isinstance(reply, Comment)
            assert reply.parent_id == comment.fullname
            assert reply.depth == comment.depth + 1


@pytest.mark.parametrize("caps", [Caps(comments=5, more=4), Caps(comments=3, more=2, depth=2), Caps(depth=2)])
def test_more_leads_to_every_comment(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World, caps: Caps
) -> None:
    """PRAW's own replace_more, which asserts that parents come before their replies."""
    identity, count = busiest(small_world)
    rehearsal = rehearse(caps=caps)
    post = praw_for(rehearsal).submission(identity)
    first = post.comments.list()
    assert sum(not isinstance(one, MoreComments) for one in first) <= caps.comments
    assert any(isinstance(one, MoreComments) for one in first)
    post.comments.replace_more(limit=None)
    assert len({comment.fullname for comment in comments_of(post)}) == count
    sizes = [len(r.path) for r in rehearsal.requests() if r.area == "more"]
    assert bool(sizes) == (caps.comments < 500)


def test_what_is_left_out_is_counted(rehearse: Rehearse, http: Http, small_world: World) -> None:
    identity, count = busiest(small_world)
    rehearsal = rehearse(caps=Caps(comments=7))
    below = http(rehearsal, f"/comments/{identity}", limit=500).json()[1]["data"]["children"]
    shown = left = 0
    while below:
        one = below.pop()
        if one["kind"] == "more":
            left += one["data"]["count"]
            continue
        shown += 1
        below += one["data"]["replies"]["data"]["children"] if one["data"]["replies"] else []
    assert (shown, left) == (7, count - 7)


def test_users_and_what_they_wrote(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    rehearsal = rehearse()
    reddit = praw_for(rehearsal)
    site = rehearsal.site
    i = max(range(400), key=lambda i: len(site.comments_by.get(i, ())))
    user = reddit.redditor(small_world.accounts[i].name)
    comments = [c.fullname for c in user.comments.new(limit=None)]
    posts = [p.fullname for p in user.submissions.new(limit=None)]
    assert comments == [site.comment_names[c] for c in reversed(site.comments_by[i])]
    assert posts == [site.post_names[p] for p in reversed(site.posts_by[i])]
    assert sorted(thing.fullname for thing in user.new(limit=None)) == sorted(posts + comments)
    assert user.comment_karma == sum(c.score for c in user.comments.new(limit=None))
    partial = list(reddit.redditors.partial_redditors(["t2_nobody", user.fullname]))
    assert [(one.fullname, one.name) for one in partial] == [(user.fullname, user.name)]
    assert list(reddit.redditors.partial_redditors(["t2_nobody"])) == []
    with pytest.raises(prawcore.NotFound):
        _ = reddit.redditor("No_Such_Person").created_utc


def test_a_refresh_token_has_a_user(rehearse: Rehearse, praw_for: PrawFor) -> None:
    reddit = praw_for(rehearse(), refresh_token=REFRESH_TOKEN)
    assert str(reddit.user.me()) == "rehearsal_user"
    with pytest.raises(prawcore.ResponseException) as failed:
        praw_for(rehearse(), refresh_token="revoked").user.me()
    assert failed.value.response.status_code == 400


def test_a_wrong_secret_is_refused(rehearse: Rehearse, praw_for: PrawFor) -> None:
    rehearsal = rehearse()
    for wrong in ({"client_secret": "guessed"}, {"client_id": "guessed"}):
        with pytest.raises(prawcore.ResponseException) as failed:
            _ = praw_for(rehearsal, **wrong).subreddit("anything").subscribers
        assert failed.value.response.status_code == 401
    assert [(r.area, r.status, r.client) for r in rehearsal.requests()] == [("token", 401, "")] * 2


def test_a_token_lives_as_long_as_it_says(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    """prawcore takes a 401 for the end of its token, and asks for another one."""
    clients = Clients()
    rehearsal = rehearse(clients=clients)
    reddit = praw_for(rehearsal)
    name = small_world.subreddits[0].name
    next(iter(reddit.subreddit(name).new(limit=1)))
    with rehearsal.lock:
        clients.expire("rehearsal-client")
    next(iter(reddit.subreddit(name).new(limit=1)))
    areas = [(r.area, r.status, r.token) for r in rehearsal.requests()]
    assert areas == [
        ("token", 200, 0),
        ("listing", 200, 1),
        ("listing", 401, 0),
        ("token", 200, 0),
        ("listing", 200, 2),
    ]


def test_the_budget_is_told_and_kept(rehearse: Rehearse, http: Http, small_world: World) -> None:
    rehearsal = rehearse(budget=Budget(3, window_s=600))
    path = f"/r/{small_world.subreddits[0].name}/about"
    seen = [http(rehearsal, path) for _ in range(5)]
    assert [one.status_code for one in seen] == [200, 200, 200, 429, 429]
    told = [(one.headers["x-ratelimit-used"], one.headers["x-ratelimit-remaining"]) for one in seen[:4]]
    assert told == [("1", "2.0"), ("2", "1.0"), ("3", "0.0"), ("4", "0.0")]
    assert all(0 < int(one.headers["x-ratelimit-reset"]) <= 600 for one in seen)
    assert 0 < int(seen[3].headers["retry-after"]) <= 600


@pytest.mark.parametrize(
    ("standing", "raised"),
    [
        (Standing.PRIVATE, prawcore.Forbidden),
        (Standing.QUARANTINED, prawcore.Forbidden),
        (Standing.BANNED, prawcore.NotFound),
        (Standing.MISSING, prawcore.Redirect),
        (Standing.LEGAL, prawcore.UnavailableForLegalReasons),
    ],
)
def test_a_subreddit_that_does_not_show_itself(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World, standing: Standing, raised: type[Exception]
) -> None:
    rehearsal = rehearse()
    reddit = praw_for(rehearsal)
    name = small_world.subreddits[0].name
    post = next(iter(reddit.subreddit(name).new(limit=1)))
    with rehearsal.lock:
        rehearsal.site.stand(name, standing)
    for ask in (
        lambda: reddit.subreddit(name).subscribers,
        lambda: list(reddit.subreddit(name).new()),
        lambda: reddit.submission(post.id).title,
    ):
        with pytest.raises(raised):
            ask()
    assert list(reddit.info(fullnames=[post.fullname])) == []
    assert list(reddit.subreddit(small_world.subreddits[1].name).new())
    with rehearsal.lock:
        rehearsal.site.stand(name, Standing.OPEN)
    assert reddit.subreddit(name).subscribers
    with pytest.raises(prawcore.Redirect, match="/subreddits/search"):
        _ = reddit.subreddit("never_was_there").subscribers


def test_edits_votes_and_deletions_show(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    rehearsal = rehearse()
    reddit, site = praw_for(rehearsal), rehearsal.site
    name = small_world.subreddits[0].name
    before = [post.fullname for post in reddit.subreddit(name).new(limit=None)]
    edited, voted, deleted, removed, gone = before[:5]
    with rehearsal.lock:
        site.edit(edited, "changed my mind")
        site.vote(voted, 4_321)
        site.end(deleted)
        site.end(removed, Fate.REMOVED)
        site.end(gone, Fate.GONE)
        fresh = site.submit(name, small_world.accounts[0].name, "A new one", body="text")
        answer = site.reply(edited, small_world.accounts[1].name, "I see")
    assert [p.fullname for p in reddit.subreddit(name).new(limit=None)] == [fresh, *before[:2], *before[5:]]
    found = {thing.fullname: thing for thing in reddit.info(fullnames=[*before[:5], fresh, answer])}
    assert set(found) == {*before[:4], fresh, answer}
    assert found[voted].score == 4_321
    assert (found[deleted].author, found[deleted].removed_by_category) == (None, "deleted")
    assert (found[removed].author, found[removed].removed_by_category) == (None, "moderator")
    assert found[edited].edited > found[edited].created_utc
    assert found[answer].parent_id == edited
    assert answer in [c.fullname for c in comments_of(reddit.submission(edited.removeprefix("t3_")))]
    # A client that had seen the deleted post as the last one of its page goes on from there.
    rest = reddit.subreddit(name).new(limit=None, params={"after": deleted})
    assert [p.fullname for p in rest] == before[5:]


def test_a_deleted_comment_stays_while_it_is_answered(
    rehearse: Rehearse, praw_for: PrawFor, small_world: World
) -> None:
    rehearsal = rehearse()
    reddit, site = praw_for(rehearsal), rehearsal.site
    user = small_world.accounts[0].name
    with rehearsal.lock:
        post = site.submit(small_world.subreddits[0].name, user, "Title")
        answered, alone = site.reply(post, user, "one"), site.reply(post, user, "two")
        reply = site.reply(answered, user, "three")
        site.end(answered)
        site.end(alone)
    identity = post.removeprefix("t3_")
    shown = {c.fullname: c for c in comments_of(reddit.submission(identity))}
    assert set(shown) == {answered, reply}
    assert (shown[answered].author, shown[answered].body) == (None, "[deleted]")
    with rehearsal.lock:
        site.end(reply)
    assert reddit.submission(identity).comments.list() == []


def test_accounts_end(rehearse: Rehearse, praw_for: PrawFor, small_world: World) -> None:
    rehearsal = rehearse()
    reddit, site = praw_for(rehearsal), rehearsal.site
    deleted, suspended = (reddit.redditor(account.name) for account in small_world.accounts[:2])
    ids = [deleted.fullname, suspended.fullname]
    post = next(iter(deleted.submissions.new()))
    with rehearsal.lock:
        site.end_account(deleted.name)
        site.end_account(suspended.name, AccountFate.SUSPENDED)
    assert list(reddit.redditors.partial_redditors(ids)) == []
    again = next(iter(reddit.info(fullnames=[post.fullname])))
    assert (again.author, again.title, again.selftext) == (None, post.title, post.selftext)
    with pytest.raises(prawcore.NotFound):
        _ = reddit.redditor(deleted.name).link_karma
    assert reddit.redditor(suspended.name).is_suspended
    with pytest.raises(prawcore.Forbidden):
        list(reddit.redditor(suspended.name).new())
