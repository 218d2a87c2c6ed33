"""Every kind of weather, over HTTP: which class of failure it is, what it costs, and whom it concerns."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from harness import rounds
from redclust.db.session import Database
from redclust.errors import RedditRefused
from redclust.reddit.client import Client
from redclust.reddit.failures import (
    Blocked,
    BreakerOpen,
    CredentialsRefused,
    RateLimited,
    Retryable,
    StopEveryone,
    Unavailable,
    Verdict,
)
from redclust.rehearsal.server import Rehearsal

MakeClient = Callable[..., Client]


@pytest.fixture
def name(rehearsal: Rehearsal) -> str:
    return rehearsal.site.places[0].name


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("private", Verdict.PRIVATE),
        ("quarantined", Verdict.QUARANTINED),
        ("banned", Verdict.BANNED),
        ("missing", Verdict.MISSING),
        ("451", Verdict.LEGAL),
        ("403", Verdict.PRIVATE),
        ("404", Verdict.MISSING),
    ],
)
def test_facts_cost_one_request_and_never_count_against_the_server(
    client: Client, rehearsal: Rehearsal, name: str, kind: str, verdict: Verdict
) -> None:
    client.about(name)
    rehearsal.weather.add(kind)
    for n in range(7):
        with pytest.raises(Unavailable) as caught:
            client.about(name) if n % 2 else client.listing(name)
        assert caught.value.verdict is verdict
        assert verdict.value in str(caught.value)
    assert client.requests == 2 + 7
    state = client.budget()
    assert (state.failures, state.open_until, state.failed) == (0, None, 0)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("500", "500"),
        ("502", "502"),
        ("503", "503"),
        ("504", "504"),
        ("520", "520"),
        ("522", "522"),
        ("524", "524"),
        ("timeout", "timed out"),
        ("drop", "connection lost"),
        ("half", "broke off"),
        ("html", "HTML with status 200"),
    ],
)
def test_failures_of_the_server_are_retryable_and_counted(
    client: Client,
    rehearsal: Rehearsal,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    said: str,
) -> None:
    # prawcore sleeps up to six seconds between its tries.
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    client.about(name)
    rehearsal.weather.add(kind)
    tries = 1 if kind in ("524", "html") else 3
    with pytest.raises(Retryable, match=said) as caught:
        client.about(name)
    assert not isinstance(caught.value, BreakerOpen)
    assert f"/r/{name}/about" in str(caught.value)
    assert client.requests == 2 + tries
    assert len(rehearsal.requests()) == 2 + tries
    assert client.budget().failures == tries
    rehearsal.weather.clear()
    client.about(name)
    assert client.budget().failures == 0


def test_a_passing_failure_is_not_even_seen(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    for kind in ("503", "drop", "half", "timeout"):
        rehearsal.weather.replace(f"{kind} requests=1")
        sent = client.requests
        page = client.listing(name)
        assert len(page.posts) > 10
        assert page.requests == client.requests - sent


@pytest.mark.parametrize("kind", ["401", "401-bare"])
def test_fresh_tokens_that_are_refused_end_the_run(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    rehearsal.weather.add(kind)
    with pytest.raises(CredentialsRefused, match=r"fresh tokens \(401") as caught:
        client.about(name)
    assert caught.value.exit_code == 15
    assert "approved" in caught.value.hint
    assert client.budget().failed == 0


@pytest.mark.parametrize("kind", ["401 requests=1", "401-bare requests=1", "expired requests=1"])
def test_a_token_that_ended_is_replaced(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    rehearsal.weather.add(kind)
    assert client.about(name)["display_name"] == name
    assert client.requests == len(rehearsal.requests()) == 4
    assert [request.area for request in rehearsal.requests()] == ["token", "about", "token", "about"]


def test_an_invalid_grant_ends_the_run(client: Client, rehearsal: Rehearsal, name: str) -> None:
    rehearsal.weather.add("invalid-grant")
    with pytest.raises(CredentialsRefused, match="invalid_grant") as caught:
        client.about(name)
    assert "refresh_token" in caught.value.hint


@pytest.mark.parametrize("kind", ["503 on=token", "timeout on=token", "html on=token", "drop on=token"])
def test_a_failing_token_endpoint_is_a_failing_server(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    rehearsal.weather.add(kind)
    with pytest.raises(Retryable, match="/api/v1/access_token"):
        client.about(name)
    assert client.budget().failures == client.requests


def test_network_security_is_no_fact_about_a_subreddit(
    client: Client, rehearsal: Rehearsal, name: str
) -> None:
    rehearsal.weather.add("blocked")
    with pytest.raises(Blocked, match="blocks this machine") as caught:
        client.about(name)
    assert caught.value.exit_code == 15
    assert isinstance(caught.value, StopEveryone)


def test_a_redirect_to_the_login_page_is_no_fact(client: Client, rehearsal: Rehearsal, name: str) -> None:
    rehearsal.weather.add("login")
    with pytest.raises(Retryable, match=r"elsewhere \(302 to /login\)"):
        client.about(name)
    assert [request.area for request in rehearsal.requests()] == ["token", "about"]


@pytest.mark.parametrize("kind", ["400", "414", "418", "409"])
def test_an_answer_that_is_not_understood_is_retryable(
    client: Client, rehearsal: Rehearsal, name: str, kind: str
) -> None:
    rehearsal.weather.add(kind)
    with pytest.raises(Retryable, match=rf"not understood \({kind}\)"):
        client.about(name)
    assert client.budget().failures == 0


@pytest.mark.parametrize("kind", ["float-headers", "no-headers", "odd-headers"])
def test_odd_headers_disturb_nobody(client: Client, rehearsal: Rehearsal, name: str, kind: str) -> None:
    rehearsal.weather.add(kind)
    begun_s = time.monotonic()
    for _ in range(4):
        client.about(name)
    assert client.requests == 5
    # Where nothing is told 95 a minute are granted, and prawcore's own limiter must not sleep beside.
    assert time.monotonic() - begun_s < 15
    assert client.budget().halted_until is None


@pytest.mark.parametrize("seed", rounds(2, 40))
def test_a_page_loses_its_broken_thing_only(
    client: Client, rehearsal: Rehearsal, name: str, seed: int
) -> None:
    whole = client.listing(name)
    rehearsal.weather.add(f"broken-item seed={seed}")
    for _ in range(seed % 5):
        rehearsal.weather.draw(8)
    page = client.listing(name)
    assert (len(page.posts), len(page.broken)) == (len(whole.posts) - 1, 1)
    assert page.after == whole.after
    assert {post["id"] for post in page.posts} < {post["id"] for post in whole.posts}


def test_a_missing_author_loses_nothing(client: Client, rehearsal: Rehearsal, name: str) -> None:
    rehearsal.weather.add("null-author")
    page = client.listing(name)
    assert page.broken == ()
    assert sum(post["author"] is None for post in page.posts) >= 1


def test_an_empty_listing_is_an_empty_page(client: Client, rehearsal: Rehearsal, name: str) -> None:
    rehearsal.weather.add("empty")
    page = client.listing(name)
    assert (page.posts, page.after, page.broken) == ((), None, ())


def test_a_refusal_is_waited_out(client: Client, rehearsal: Rehearsal, name: str) -> None:
    client.about(name)
    rehearsal.weather.add("429 retry-after=1 requests=1")
    begun_s = time.monotonic()
    client.about(name)
    assert time.monotonic() - begun_s >= 1
    assert client.requests == 4
    assert client.budget().refused == 1


def test_refusals_without_end_end_the_run(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redclust.reddit.client._REFUSALS", 2)
    rehearsal.weather.add("429 retry-after=0")
    with pytest.raises(RateLimited, match="429") as caught:
        client.about(name)
    assert caught.value.exit_code == 15
    assert client.budget().refused == 2
    assert client.budget().open_until is None


def test_the_breaker_opens_and_closes_over_http(
    make_client: MakeClient, rehearsal: Rehearsal, database: Database, name: str
) -> None:
    clients = [make_client() for _ in range(3)]
    for client in clients:
        client.about(name)
    rehearsal.weather.add("524")
    for n in range(5):
        with pytest.raises(Retryable, match="524"):
            clients[n % 3].about(name)
    seen = len(rehearsal.requests())
    for client in clients:
        with pytest.raises(BreakerOpen, match="circuit breaker open"):
            client.about(name)
    assert len(rehearsal.requests()) == seen
    rehearsal.weather.clear()
    with database.connect(autocommit=True) as connection:
        connection.execute("UPDATE api_budgets SET open_until = clock_timestamp()")
    for client in clients:
        client.about(name)
    assert clients[0].budget().open_until is None
    assert len(rehearsal.requests()) == seen + 3


def test_one_request_for_more_comments_at_a_time(
    make_client: MakeClient, rehearsal: Rehearsal, name: str
) -> None:
    """Reddit refuses the second of two that are on their way, though its budget is not spent."""
    clients = [make_client() for _ in range(3)]
    posts = clients[0].listing(name).posts
    ids = [post["id"] for post in posts]
    rehearsal.weather.add("busy-more", "slow delay=0.15 on=more")
    failed: list[RedditRefused] = []

    def ask(client: Client) -> None:
        try:
            for _ in range(3):
                client.more_children(ids[0], ["abc", "abd"])
        except RedditRefused as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    more = [request for request in rehearsal.requests() if request.area == "more"]
    assert failed == []
    assert Counter(request.status for request in more) == {200: 9}


@pytest.mark.parametrize("seed", rounds(1, 20))
def test_a_random_mix_has_no_failure_without_a_class(
    client: Client, rehearsal: Rehearsal, name: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    monkeypatch.setattr("redclust.reddit.budget.THRESHOLD", 10_000)
    kinds = ("500", "502", "503", "504", "520", "522", "drop", "half", "html", "401", "401-bare", "expired")
    odd = (
        "private",
        "quarantined",
        "banned",
        "missing",
        "451",
        "empty",
        "null-author",
        "broken-item",
        "login",
    )
    headers = ("float-headers", "no-headers", "odd-headers", "429 retry-after=0")
    rules = [f"{kind} share=0.03 seed={seed * 100 + n}" for n, kind in enumerate((*kinds, *odd, *headers))]
    post = client.listing(name).posts[0]
    rehearsal.weather.add(*rules)
    met: Counter[str] = Counter()
    for _ in range(40):
        for ask in (
            lambda: client.about(name),
            lambda: client.listing(name, "top"),
            lambda: client.comments(post["id"]),
            lambda: client.info([post["name"]]),
            lambda: client.user_activity(post["author"] or "nobody"),
        ):
            try:
                ask()
                met["ok"] += 1
            except RedditRefused as error:
                met[type(error).__name__] += 1
    assert met.total() == 200
    assert met["ok"] > 60
    assert met["Retryable"]
    assert met["Unavailable"]
