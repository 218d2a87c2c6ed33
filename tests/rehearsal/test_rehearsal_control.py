"""Asked and changed from another process, over loopback; and what the log holds."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from harness import wait_until
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.oauth import CLIENT_ID, Clients
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.world import World

Rehearse = Callable[..., Rehearsal]
Http = Callable[..., requests.Response]


def control(rehearsal: Rehearsal, method: str, path: str = "", body: str = "") -> requests.Response:
    return requests.request(method, f"{rehearsal.url}/rehearsal{path}", data=body, timeout=5)


def test_the_log_has_every_request_with_its_times(
    rehearse: Rehearse, http: Http, small_world: World, tmp_path: Path
) -> None:
    log = tmp_path / "log" / "requests.ndjson"
    log.parent.mkdir()
    rehearsal = rehearse(log=log)
    name = small_world.subreddits[0].name
    http(rehearsal, f"/r/{name}/about")
    http(rehearsal, f"/r/{name}/new", limit=5)
    http(rehearsal, "/api/nonsense")
    lines = [json.loads(line) for line in control(rehearsal, "GET", "/requests").text.splitlines()]
    assert [(r["area"], r["status"], r["client"]) for r in lines] == [
        ("token", 200, CLIENT_ID),
        ("about", 200, CLIENT_ID),
        ("listing", 200, CLIENT_ID),
        ("other", 404, CLIENT_ID),
    ]
    assert [r["number"] for r in lines] == [1, 2, 3, 4]
    assert lines[2]["path"] == f"/r/{name}/new?limit=5"
    assert lines[1]["subreddit"] == name
    for earlier, later in pairwise(lines):
        assert earlier["received_s"] <= earlier["answered_s"] <= later["received_s"]
    assert [json.loads(line) for line in log.read_text().splitlines()] == lines
    since = control(rehearsal, "GET", "/requests?since=3&client=rehearsal-client").text.splitlines()
    assert [json.loads(line)["number"] for line in since] == [4]
    assert control(rehearsal, "GET", "/requests?client=nobody").text == ""
    state = control(rehearsal, "GET").json()
    assert state["requests"] == 4
    assert state["requests_by_client"] == {CLIENT_ID: 4}
    assert state["requests_by_status"] == {"200": 3, "404": 1}
    assert state["url"] == rehearsal.url


def test_no_secret_is_in_the_log(rehearse: Rehearse, http: Http, small_world: World, tmp_path: Path) -> None:
    log = tmp_path / "requests.ndjson"
    rehearsal = rehearse(log=log, clients=Clients())
    http(rehearsal, f"/r/{small_world.subreddits[0].name}/about")
    (token,) = rehearsal.clients.tokens
    text = log.read_text() + control(rehearsal, "GET", "/requests").text
    assert token not in text
    assert "rehearsal-secret" not in text


def test_weather_and_the_world_change_from_outside(
    rehearse: Rehearse, http: Http, small_world: World
) -> None:
    rehearsal = rehearse()
    name, user = small_world.subreddits[0].name, small_world.accounts[0].name
    assert control(rehearsal, "PUT", "/weather", "503 sub=" + name).json() == {"503": 0}
    assert control(rehearsal, "POST", "/weather", "# more\nno-headers\n").ok
    assert http(rehearsal, f"/r/{name}/about").status_code == 503
    assert control(rehearsal, "GET").json()["weather"] == {"503": 1, "no-headers": 1}
    assert control(rehearsal, "PUT", "/weather").json() == {}
    wrong = control(rehearsal, "PUT", "/weather", "rain")
    assert (wrong.status_code, "rain" in wrong.json()["why"]) == (400, True)

    def change(**what: object) -> requests.Response:
        return control(rehearsal, "POST", "/change", json.dumps(what))

    post = change(do="submit", subreddit=name, user=user, title="Hello", text="world").json()["name"]
    comment = change(do="reply", name=post, user=user, text="first").json()["name"]
    assert change(do="vote", name=post, score=77).ok
    assert change(do="edit", name=comment, text="second").ok
    found = http(rehearsal, "/api/info", id=f"{post},{comment}").json()["data"]["children"]
    assert [found[0]["data"]["score"], found[1]["data"]["body"]] == [77, "second"]
    assert change(do="delete", name=comment).ok
    assert change(do="stand", subreddit=name, standing="private").ok
    assert http(rehearsal, f"/r/{name}/about").status_code == 403
    assert change(do="end-account", user=user).ok
    assert http(rehearsal, f"/user/{user}/about").status_code == 404
    for wrong in ({"do": "explode"}, {"do": "vote", "name": "t3_nope", "score": 1}, {"do": "vote"}):
        assert change(**wrong).status_code == 400
    assert control(rehearsal, "POST", "/change", "[]").status_code == 400
    assert control(rehearsal, "POST", "/change", "{").status_code == 400
    assert control(rehearsal, "GET", "/nonsense").status_code == 404


def test_the_planted_communities_are_told(rehearse: Rehearse, small_world: World) -> None:
    told = control(rehearse(), "GET", "/world").json()
    assert told["subreddits"] == small_world.planted
    assert told["communities"] == list(small_world.community_names)


def test_eight_clients_at_once_share_one_budget(rehearse: Rehearse, small_world: World) -> None:
    rehearsal = rehearse(budget=Budget(100))
    with rehearsal.lock:
        _, grant = rehearsal.clients.grant(CLIENT_ID, {"grant_type": "client_credentials"})
    url = f"{rehearsal.url}/r/{small_world.subreddits[0].name}/new"
    headers = {"Authorization": f"bearer {grant['access_token']}"}

    def ask(_: int) -> list[int]:
        with requests.Session() as session:
            return [session.get(url, headers=headers, timeout=5).status_code for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for some in pool.map(ask, range(8)) for status in some]
    assert (statuses.count(200), statuses.count(429)) == (100, 60)
    assert len({r.connection for r in rehearsal.requests()}) == 8


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\ncontent-length: many\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"400"),
        (b"x" * 70_000, b"431"),
    ],
)
def test_what_is_no_http_ends_the_connection(rehearse: Rehearse, sent: bytes, status: bytes) -> None:
    rehearsal = rehearse()
    with socket.create_connection(("127.0.0.1", rehearsal.port), timeout=5) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(4_096):
            received += piece
    assert received.startswith(b"HTTP/1.1 " + status)


def test_requests_come_in_pieces_and_together(rehearse: Rehearse) -> None:
    rehearsal = rehearse()
    one = b"GET /rehearsal/world HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rehearsal.port), timeout=5) as connection:
        connection.sendall(one[:10])
        connection.sendall(one[10:] + one + b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.count(b"HTTP/1.1 401") == 1


def test_a_rehearsal_ends_without_the_others_and_whatever_waits(small_world: World) -> None:
    with ThreadPoolExecutor(1) as pool, serve(small_world) as other, requests.Session() as session:
        assert session.get(f"{other.url}/rehearsal", timeout=5).ok
        with serve(small_world, weather=["timeout"]) as ending:
            waiting = pool.submit(requests.get, f"{ending.url}/r/x/about", timeout=20)
            wait_until(lambda: bool(ending.requests()), "a request that waits")
            with pytest.raises(OSError, match="in use"), serve(small_world, port=ending.port):
                pass
            assert not waiting.done()
        with pytest.raises(requests.ConnectionError):
            waiting.result(timeout=5)
        assert ending.requests()[0].status == 0
        assert session.get(f"{other.url}/rehearsal", timeout=5).ok
