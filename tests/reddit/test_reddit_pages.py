"""Answers taken apart thing by thing: a broken one is lost alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from harness import SOAK
from redclust.dumps.things import comment_batch, post_batch
from redclust.reddit.pages import Gathering, More, Page, UnexpectedShape

POST: dict[str, Any] = {
    "id": "abc",
    "name": "t3_abc",
    "title": "A title",
    "subreddit": "golang",
    "author": "somebody",
    "created_utc": 1_700_000_000.0,
    "score": 3,
}
COMMENT: dict[str, Any] = {
    "id": "xyz",
    "link_id": "t3_abc",
    "parent_id": "t3_abc",
    "body": "A body",
    "subreddit": "golang",
    "author": "somebody",
    "created_utc": 1_700_000_001.0,
    "score": 1,
    "replies": "",
}


def listing(*things: object, after: object = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"children": list(things), "after": after}}


def post(**changed: object) -> dict[str, Any]:
    return {"kind": "t3", "data": {**POST, **changed}}


def comment(**changed: object) -> dict[str, Any]:
    return {"kind": "t1", "data": {**COMMENT, **changed}}


def gathered(*things: object) -> Page:
    gathering = Gathering()
    gathering.listing(listing(*things))
    return gathering.page()


@pytest.mark.parametrize("author", [None, "[deleted]"])
def test_an_author_who_is_gone_loses_nothing(author: object) -> None:
    page = gathered(post(), post(id="abd", author=author), comment(author=author))
    assert (len(page.posts), len(page.comments), page.broken) == (2, 1, ())
    assert post_batch(page.posts).author.tolist() == [0, -1]


def without(thing: dict[str, Any], key: str) -> dict[str, Any]:
    return {"kind": thing["kind"], "data": {k: v for k, v in thing["data"].items() if k != key}}


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (None, "not a thing with kind and data"),
        ("t3_abc", "not a thing with kind and data"),
        ({"kind": "t3"}, "not a thing with kind and data"),
        ({"kind": "t3", "data": None}, "not a thing with kind and data"),
        ({"kind": None, "data": POST}, "not a thing with kind and data"),
        ({"kind": "t9", "data": POST}, "a thing of another kind"),
        (without(post(), "id"), "missing key: id"),
        (without(post(), "title"), "missing key: title"),
        (without(comment(), "body"), "missing key: body"),
        (post(id=7), "id is not base 36 below 2^63"),
        (post(id="!"), "id is not base 36 below 2^63"),
        (post(created_utc=None), "created_utc is not a time from June 2005 to now"),
        (post(created_utc="soon"), "created_utc is not a time from June 2005 to now"),
        (post(author=["a"]), "author is not a name"),
        (post(title=["a"]), "title is not text"),
        (post(title="a\0b"), "NUL byte in text"),
        (post(title="a\ud800b"), "broken UTF-8"),
        (post(score="many"), "score is not a 32-bit number"),
        (post(score=float("nan")), "malformed JSON"),
        (comment(link_id=None), "link_id is not base 36 below 2^63"),
        (comment(body=None), "body is not text"),
        ({"kind": "t5", "data": {"title": "x"}}, "missing key: display_name"),
        ({"kind": "more", "data": {"children": ["a", 7], "parent_id": "t1_a"}}, "ids that are none"),
        ({"kind": "more", "data": {"children": None}}, "ids that are none"),
    ],
)
def test_a_broken_thing_is_lost_alone_and_kept_aside(thing: object, reason: str) -> None:
    page = gathered(post(id="a1"), thing, post(id="a2"), comment(id="c1"))
    kept = [thing_["id"] for thing_ in (*page.posts, *page.comments)]
    assert kept == ["a1", "a2", "c1"]
    assert [broken.reason for broken in page.broken] == [reason]
    assert isinstance(json.loads(page.broken[0].raw), (dict, str, type(None)))


def test_a_tree_is_flat_with_comments_before_their_answers() -> None:
    deep = comment(id="c9")
    for n in range(8, 0, -1):
        deep = comment(id=f"c{n}", replies=listing(deep, comment(id=f"d{n}")))
    more = {"kind": "more", "data": {"children": ["e1", "e2"], "parent_id": "t1_c1", "count": 5, "id": "e1"}}
    thread = {"kind": "more", "data": {"children": [], "parent_id": "t1_c9", "count": 0, "id": "_"}}
    page = gathered(deep, more, thread)
    order = [one["id"] for one in page.comments]
    assert order[:9] == [f"c{n}" for n in range(1, 10)]
    assert len(order) == 17
    assert page.more == (More("t1_c1", ("e1", "e2"), 5), More("t1_c9", (), 0))
    assert not any("replies" in one for one in page.comments)


def test_the_answers_to_a_broken_comment_stand() -> None:
    page = gathered(comment(id="c1", body=None, replies=listing(comment(id="c2"))), comment(id="c3"))
    assert [one["id"] for one in page.comments] == ["c2", "c3"]
    assert len(page.broken) == 1


def test_a_tree_of_any_depth_is_taken() -> None:
    thing = comment(id="c0")
    for n in range(1, 20_000):
        thing = comment(id=f"c{n}", replies=listing(thing))
    assert len(gathered(thing).comments) == 20_000


@pytest.mark.parametrize(
    "answer",
    [None, "", [], {}, {"kind": "t3", "data": {}}, {"kind": "Listing"}, {"kind": "Listing", "data": {}}],
)
def test_what_is_no_listing_is_no_page(answer: object) -> None:
    with pytest.raises(UnexpectedShape):
        Gathering().listing(answer)


@pytest.mark.parametrize(("after", "read"), [(None, None), ("", None), (7, None), ("t3_abc", "t3_abc")])
def test_where_the_next_page_begins(after: object, read: str | None) -> None:
    assert Gathering().listing(listing(post(), after=after)) == read


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [("t1", {"missing key: link_id"}), ("t3", {"missing key: subreddit"}), ("t5", set()), ("more", set())],
)
def test_real_objects_of_ten_years(shared_data: Path, kind: str, reasons: set[str]) -> None:
    """What is lost are messages (comments without a post) and drafts (posts without a subreddit)."""
    packed = (shared_data / "reddit-api-objects" / f"{kind}.ndjson.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().stream_reader(packed).read().splitlines()[:: 1 if SOAK else 5]
    page = gathered(*({"kind": kind, "data": json.loads(line)} for line in lines))
    assert {broken.reason for broken in page.broken} <= reasons
    assert len(page.broken) < len(lines) / 10
    assert len(comment_batch(page.comments).id) == len(page.comments)
    assert len(post_batch(page.posts).id) == len(page.posts)
    rows = len(page.posts) + len(page.comments) + len(page.subreddits) + len(page.more)
    assert rows >= len(lines) - len(page.broken)
