"""Objects as Reddit sent them, served again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import praw
import pytest
import requests
import zstandard
from praw.models import Comment

from redclust.errors import ArtefactUnusable
from redclust.rehearsal import real
from redclust.rehearsal.reach import Plan, Reach, reach
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import Site

Rehearse = Callable[..., Rehearsal]
Http = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def objects(shared_data: Path) -> Path:
    return shared_data / "reddit-api-objects"


@pytest.fixture(scope="module")
def site(objects: Path) -> Site:
    return real.load(objects)


def raw(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        for line in io.BufferedReader(reader):
            text = line.decode().replace("<TEST_SUBREDDIT>", "Test_Subreddit")
            yield json.loads(text.replace("<USERNAME>", "Test_User"))


@pytest.mark.parametrize(("kind", "at_least"), [("t1", 8_520), ("t3", 6_910)])
def test_each_object_comes_back_as_it_was(
    rehearse: Rehearse, http: Http, site: Site, objects: Path, kind: str, at_least: int
) -> None:
    expected = {one["name"]: one for one in raw(objects / f"{kind}.ndjson.zst") if one.get("subreddit")}
    expected.pop("t1_MISMATCH", None)
    rehearsal = rehearse(site)
    names, found = list(expected), dict[str, Any]()
    for start in range(0, len(names), 100):
        answer = http(rehearsal, "/api/info", id=",".join(names[start : start + 100])).json()
        found |= {thing["data"]["name"]: thing["data"] for thing in answer["data"]["children"]}
    assert len(found) == len(expected) >= at_least
    for name, one in expected.items():
        for key in ("replies", "depth"):  # these belong to a look at the post
            one.pop(key, None)
            found[name].pop(key, None)
        assert found[name] == one


def test_every_comment_hangs_below_a_post_that_can_be_crawled(site: Site) -> None:
    plan = Plan(sorts=("new",), posts=1_000, more_requests=1_000)
    busiest = sorted(range(len(site.places)), key=lambda i: -len(site.posts_in[i]))[:200]
    reached = Reach()
    for place in busiest:
        reached |= reach(site, site.places[place].name, plan)
    expected = {site.post_names[i] for place in busiest for i in site.posts_in[place][-1_000:]}
    assert reached.posts == expected
    assert len(reached.comments) > 5_000
    assert all(site.comments[i].post == c.post for c in site.comments if (i := c.parent) >= 0)


def test_a_more_whose_comments_are_gone_leads_to_nothing(
    rehearse: Rehearse, http: Http, site: Site, praw_for: Callable[..., praw.Reddit]
) -> None:
    rehearsal = rehearse(site)
    parent = next(name for name in site.left_out if name in site.comment_at)
    post = site.comments[site.comment_at[parent]].post
    count, children = site.left_out[parent]
    answer = http(rehearsal, "/api/morechildren", link_id=site.post_names[post], children=",".join(children))
    assert answer.json()["json"]["data"]["things"] == []
    below = http(rehearsal, f"/comments/{site.post_names[post][3:]}", limit=500).text
    assert f'"count":{count},' in below
    assert children[0] in below
    submission = praw_for(rehearsal).submission(site.post_names[post][3:])
    submission.comments.replace_more(limit=None)
    assert parent in {one.fullname for one in submission.comments.list() if isinstance(one, Comment)}


def test_subreddits_and_users_come_back(rehearse: Rehearse, http: Http, site: Site, objects: Path) -> None:
    rehearsal = rehearse(site)
    for one in list(raw(objects / "t5.ndjson.zst"))[100:120]:
        about = http(rehearsal, f"/r/{one['display_name']}/about").json()
        assert about["data"] == one
    for one in raw(objects / "t2.ndjson.zst"):
        assert http(rehearsal, f"/user/{one['name']}/about").json()["data"]["name"] == one["name"]


def test_a_directory_without_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactUnusable, match=r"t1\.ndjson\.zst"):
        real.load(tmp_path)
    for kind in ("t1", "t2", "t3", "t5", "more"):
        (tmp_path / f"{kind}.ndjson.zst").write_bytes(zstandard.compress(b"no json\n"))
    with pytest.raises(ArtefactUnusable, match=r"t1\.ndjson\.zst"):
        real.load(tmp_path)
