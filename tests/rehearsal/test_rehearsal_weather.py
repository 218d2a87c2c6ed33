"""Each weather of the rehearsal Reddit alone, its schedule, and what the log says of it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import praw
import prawcore
import pytest
import requests

from redclust.errors import UsageError
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import Caps
from redclust.rehearsal.weather import KINDS, Effect, Weather
from redclust.rehearsal.world import World

Rehearse = Callable[..., Rehearsal]
Http = Callable[..., requests.Response]


@pytest.fixture
def busy(small_world: World) -> str:
    """The listing of the subreddit where most is posted."""
    return f"/r/{small_world.subreddits[-1].name}/new"


SERVER_ERRORS = ("500", "502", "503", "504", "520", "522", "524")
ANSWERS: dict[str, tuple[int, str, str]] = {
    # kind: status, a header that is there ("-": that is not), and how the body begins
    "429": (429, "-retry-after", '{"message":"Too Many'),
    "429 retry-after=7": (429, "retry-after", '{"message":"Too Many'),
    **{
        status: (int(status), "content-type", "<!doctype")
        for status in ["500", "502", "503", "504", "520", "522", "524"]
    },
    "400": (400, "x-ratelimit-used", '{"message":"Bad'),
    "418": (418, "x-ratelimit-used", '{"message":"Unknown'),
    "401": (401, "www-authenticate", '{"message":"Unauthorized'),
    "401-bare": (401, "-www-authenticate", '{"message":"Unauthorized'),
    "expired": (401, "www-authenticate", '{"message":"Unauthorized'),
    "login": (302, "location", ""),
    "blocked": (403, "-x-ratelimit-used", "<!doctype"),
    "html": (200, "-x-ratelimit-used", "<!doctype"),
    "private": (403, "x-ratelimit-used", '{"reason":"private"'),
    "quarantined": (403, "x-ratelimit-used", '{"reason":"quarantined"'),
    "banned": (404, "x-ratelimit-used", '{"reason":"banned"'),
    "missing": (302, "location", ""),
    "451": (451, "x-ratelimit-used", '{"reason":"legal"'),
    "empty": (200, "x-ratelimit-used", '{"kind":"Listing"'),
    "no-headers": (200, "-x-ratelimit-used", '{"kind":"Listing"'),
}


@pytest.mark.parametrize("rule", ANSWERS)
def test_each_answer(rehearse: Rehearse, http: Http, busy: str, rule: str) -> None:
    rehearsal = rehearse(weather=[rule])
    answer = http(rehearsal, busy)
    status, header, body = ANSWERS[rule]
    assert answer.status_code == status
    assert (header.removeprefix("-") in answer.headers) is not header.startswith("-")
    assert answer.text.startswith(body)
    assert rehearsal.requests()[-1].weather == rule.split(maxsplit=1)[0]
    rehearsal.weather.clear()
    assert http(rehearsal, busy).status_code == (401 if rule == "expired" else 200)


def test_the_retry_after_is_as_asked(rehearse: Rehearse, http: Http, busy: str) -> None:
    assert http(rehearse(weather=["429 retry-after=7"]), busy).headers["retry-after"] == "7"


def test_a_missing_subreddit_leads_to_the_search(rehearse: Rehearse, http: Http, busy: str) -> None:
    location = http(rehearse(weather=["missing"]), busy).headers["location"]
    assert location.startswith("/subreddits/search?q=")


def test_an_empty_listing_is_a_listing(rehearse: Rehearse, http: Http, busy: str, small_world: World) -> None:
    rehearsal = rehearse(weather=["empty"])
    data = http(rehearsal, busy).json()["data"]
    assert (data["children"], data["after"]) == ([], None)
    post = rehearsal.site.post_names[0].removeprefix("t3_")
    above, below = http(rehearsal, f"/comments/{post}").json()
    assert len(above["data"]["children"]) == 1
    assert below["data"]["children"] == []


@pytest.mark.parametrize("rule", ["timeout", "timeout delay=0.3", "drop", "half"])
def test_an_answer_that_does_not_come_whole(
    rehearse: Rehearse, http: Http, busy: str, tmp_path: Path, rule: str
) -> None:
    log = tmp_path / "requests.ndjson"
    rehearsal = rehearse(weather=[f"{rule} requests=2"], log=log)
    assert http(rehearsal, busy).ok
    with pytest.raises(requests.exceptions.RequestException):
        http(rehearsal, busy, patience_s=0.1 if rule == "timeout" else 5)
    rehearsal.weather.clear()
    assert http(rehearsal, busy).ok

    def ended() -> bool:
        return len(log.read_text().splitlines()) == len(rehearsal.requests())

    deadline = time.monotonic() + 10
    while not ended():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    hit = next(r for r in rehearsal.requests() if r.weather)
    assert (hit.status == 200) == (rule == "half")
    assert (hit.answered_s is None) == (rule != "half")


def test_slow_is_late_and_whole(rehearse: Rehearse, http: Http, busy: str) -> None:
    rehearsal = rehearse(weather=["slow delay=0.2"])
    assert len(http(rehearsal, busy, limit=100).json()["data"]["children"]) == 100
    request = rehearsal.requests()[-1]
    assert request.answered_s
    assert request.answered_s - request.received_s >= 0.2


def test_an_expired_token_is_followed_by_a_new_one(
    rehearse: Rehearse, praw_for: Callable[..., praw.Reddit], small_world: World
) -> None:
    rehearsal = rehearse(weather=["expired requests=2"])
    reddit = praw_for(rehearsal)
    names = [place.name for place in small_world.subreddits[:3]]
    assert all(reddit.subreddit(name).subscribers for name in names)
    areas = [(r.area, r.status) for r in rehearsal.requests()]
    assert areas == [
        ("token", 200),
        ("about", 200),
        ("about", 401),
        ("token", 200),
        ("about", 200),
        ("about", 200),
    ]


def test_a_grant_that_is_no_longer_valid(
    rehearse: Rehearse, praw_for: Callable[..., praw.Reddit], small_world: World
) -> None:
    reddit = praw_for(rehearse(weather=["invalid-grant"]))
    with pytest.raises(prawcore.OAuthException, match="invalid_grant"):
        _ = reddit.subreddit(small_world.subreddits[0].name).subscribers


def children(answer: requests.Response) -> list[Any]:
    return answer.json()["data"]["children"]


@pytest.mark.parametrize("kind", ["null-author", "broken-item"])
def test_one_thing_of_a_page_is_hit_and_named(rehearse: Rehearse, http: Http, busy: str, kind: str) -> None:
    rehearsal = rehearse()
    whole = children(http(rehearsal, busy, limit=100))
    rehearsal.weather.add(kind)
    shapes: set[str] = set()
    for _ in range(40):
        broken = children(http(rehearsal, busy, limit=100))
        (name,) = [r.weather.removeprefix(f"{kind}=") for r in rehearsal.requests()[-1:]]
        differing = [i for i, (a, b) in enumerate(zip(whole, broken, strict=True)) if a != b]
        assert [whole[i]["data"]["name"] for i in differing] == [name]
        if kind == "null-author":
            assert broken[differing[0]]["data"]["author"] is None
        shapes.add(json.dumps(broken[differing[0]])[:20])
    assert len(shapes) > 3 or kind == "null-author"


def test_a_broken_comment_takes_nothing_with_it(rehearse: Rehearse, http: Http, small_world: World) -> None:
    """Only comments without replies break: what hangs below a lost one would be lost too."""
    post, _ = Counter(comment.post for comment in small_world.comment_list).most_common(1)[0]
    rehearsal = rehearse(weather=["broken-item on=comments", "broken-item on=more"], caps=Caps(comments=6))
    site = rehearsal.site
    name = site.post_names[post]
    for _ in range(20):
        _, below = http(rehearsal, f"/comments/{name.removeprefix('t3_')}", limit=500).json()
        hit = site.comment_at[rehearsal.requests()[-1].weather.removeprefix("broken-item=")]
        assert str(below).count("'t1'") >= 4
        assert site.comments[hit].post == post
    ids = ",".join(site.comment_names[i].removeprefix("t1_") for i in site.answers[post])
    things = http(rehearsal, "/api/morechildren", link_id=name, children=ids).json()["json"]["data"]["things"]
    assert len(things) >= len(site.answers[post])
    assert rehearsal.requests()[-1].weather.startswith("broken-item=t1_")


def test_headers_that_are_no_whole_numbers(rehearse: Rehearse, http: Http, busy: str) -> None:
    rehearsal = rehearse(weather=["float-headers"])
    headers = http(rehearsal, busy).headers
    assert headers["x-ratelimit-used"] == "1.0"
    assert headers["x-ratelimit-reset"].endswith(".0")
    rehearsal.weather.replace("odd-headers")
    odd = {http(rehearsal, busy).headers["x-ratelimit-reset"] for _ in range(40)}
    assert {"null", "nan", ""} < odd


@pytest.mark.parametrize("kind", ["delete", "remove", "vanish", "edit", "vote"])
def test_something_happens_between_two_looks(rehearse: Rehearse, http: Http, busy: str, kind: str) -> None:
    rehearsal = rehearse(weather=[f"{kind} requests=1"])
    before = children(http(rehearsal, busy, limit=100))
    hit = rehearsal.requests()[-1].weather.removeprefix(f"{kind}=")
    assert hit in [thing["data"]["name"] for thing in before]
    after = children(http(rehearsal, busy, limit=100))
    known = children(http(rehearsal, "/api/info", id=hit))
    ends = kind in ("delete", "remove", "vanish")
    assert (hit in [thing["data"]["name"] for thing in after]) is not ends
    assert bool(known) == (kind != "vanish")
    if known:
        now, then = known[0]["data"], next(t["data"] for t in before if t["data"]["name"] == hit)
        assert (now["author"] == "[deleted]") == ends
        assert now["score"] != then["score"] or kind != "vote"
        assert bool(now["edited"]) == (kind == "edit")


def test_a_second_morechildren_of_a_client_is_refused(
    rehearse: Rehearse, http: Http, small_world: World
) -> None:
    rehearsal = rehearse(weather=["slow on=more delay=0.5", "busy-more"])
    site = rehearsal.site
    comment = next(i for i, c in enumerate(site.comments) if c.parent < 0)
    words = {"children": site.comment_names[comment][3:]}
    link = site.post_names[site.comments[comment].post]
    assert http(rehearsal, "/r/nowhere/about").status_code == 302
    answers: list[int] = []

    def ask() -> None:
        token = next(iter(rehearsal.clients.tokens))
        url, headers = f"{rehearsal.url}/api/morechildren", {"Authorization": f"bearer {token}"}
        form = {**words, "link_id": link}
        answers.append(requests.post(url, data=form, headers=headers, timeout=5).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 429]
    ask()
    assert answers[-1] == 200


def test_schedules(rehearse: Rehearse, http: Http, busy: str, small_world: World) -> None:
    rehearsal = rehearse(weather=["503 requests=3-4 on=listing"])
    about = f"/r/{small_world.subreddits[0].name}/about"
    seen = [http(rehearsal, path).status_code for path in (busy, about, busy, about, busy, busy, busy)]
    assert seen == [200, 200, 200, 200, 503, 503, 200]
    rehearsal.weather.replace("503 seconds=0-0.2")
    assert http(rehearsal, busy).status_code == 503
    time.sleep(0.25)
    assert http(rehearsal, busy).status_code == 200
    rehearsal.weather.replace(f"private sub={small_world.subreddits[0].name.upper()}")
    assert [http(rehearsal, path).status_code for path in (busy, about)] == [200, 403]
    rehearsal.weather.replace("503 client=somebody-else")
    assert http(rehearsal, busy).status_code == 200


def test_a_share_is_drawn_the_same_way_again(rehearse: Rehearse, http: Http, busy: str) -> None:
    def statuses(seed: int) -> list[int]:
        rehearsal = rehearse(weather=[f"503 share=0.3 seed={seed}"])
        return [http(rehearsal, busy, limit=1).status_code for _ in range(100)]

    first = statuses(1)
    assert first == statuses(1)
    assert first != statuses(2)
    assert 15 < first.count(503) < 45


def test_one_answer_is_replaced_once_and_damaged_further(rehearse: Rehearse, http: Http, busy: str) -> None:
    rehearsal = rehearse(weather=["429 retry-after=2", "503", "no-headers", "slow delay=0.01"])
    answer = http(rehearsal, busy)
    assert answer.status_code == 429
    assert "x-ratelimit-used" not in answer.headers
    assert rehearsal.requests()[-1].weather == "429 no-headers slow"
    assert rehearsal.weather.fired() == {"429": 1, "503": 0, "no-headers": 1, "slow": 1}


def test_every_kind_is_tested() -> None:
    named = {rule.split()[0] for rule in ANSWERS}
    beside = {"timeout", "drop", "half", "slow", "busy-more", "invalid-grant", "null-author", "broken-item"}
    headers = {"float-headers", "odd-headers"}
    after = {kind for kind, what in KINDS.items() if what.effect is Effect.AFTER}
    assert set(KINDS) <= named | beside | headers | after


def test_the_runbook_says_what_each_kind_does(pytestconfig: pytest.Config) -> None:
    runbook = (pytestconfig.rootpath / "docs" / "runbook.md").read_text()
    rows = "".join(f"| `{kind}` | {what.meaning} |\n" for kind, what in KINDS.items())
    assert rows in runbook


@pytest.mark.parametrize(
    "text",
    [
        "rain",
        "200",
        "503 share=2",
        "503 share=half",
        "503 retry-after=7",
        "503 requests=a-b",
        "503 on=everything",
        "503 sub=",
        "503 for=7",
        "503 share",
    ],
)
def test_a_rule_that_is_none_is_refused_by_its_word(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Weather(["503", text])
    assert text.rsplit(maxsplit=1)[-1] in str(refused.value)
    assert refused.value.hint


def test_rules_may_be_commented() -> None:
    weather = Weather(["# a bad day", "", "503 share=0.1  # now and then"])
    assert weather.fired() == {"503": 0}
