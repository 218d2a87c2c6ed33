"""Requests that end in time: answers in drops, a caller who wants to stop, a database that restarts."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from crawlers import reddit_settings

from harness import ExternalServer, open_directory, wait_until
from redclust.config import DatabaseSettings
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.reddit.budget import Budget, Ticket
from redclust.reddit.client import Client
from redclust.reddit.failures import Interrupted, Retryable
from redclust.rehearsal.server import Rehearsal

MakeClient = Callable[..., Client]


@pytest.fixture
def drops(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server whose answers have no end: a byte now and then, in the headers or the body."""
    where: str = request.param
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            if where == "body":
                connection.sendall(b"content-length: 100000\r\n\r\n")
            while not ended.wait(0.05):
                connection.sendall(b" ")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=drip, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    ended.set()
    listening.close()


def set_on_arrival(event: threading.Event, rehearsal: Rehearsal) -> None:
    """Set the event when the next request has arrived."""
    seen = len(rehearsal.requests())

    def watch() -> None:
        wait_until(lambda: len(rehearsal.requests()) > seen, "a request")
        event.set()

    threading.Thread(target=watch, daemon=True).start()


@pytest.mark.parametrize("drops", ["headers", "body"], indirect=True)
def test_an_answer_in_drops_is_given_up(
    make_client: MakeClient, rehearsal: Rehearsal, drops: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy.should_retry_on_failure", lambda self: False)
    client = make_client(reddit_settings(rehearsal, oauth_url=drops))
    begun_s = time.monotonic()
    with pytest.raises(Retryable, match="timed out"):
        client.about("golang")
    assert time.monotonic() - begun_s < 30
    assert client.budget().failures == 1


def test_a_request_on_its_way_is_given_up_for_a_caller_who_wants_to_stop(
    make_client: MakeClient, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redclust.reddit.sending.GRACE_S", 0.3)
    interrupt = threading.Event()
    client = make_client(reddit_settings(rehearsal, timeout_s=60), interrupt=interrupt)
    name = rehearsal.site.places[0].name
    client.about(name)
    rehearsal.weather.add("timeout")
    set_on_arrival(interrupt, rehearsal)
    begun_s = time.monotonic()
    with pytest.raises(Interrupted):
        client.about(name)
    assert time.monotonic() - begun_s < 30
    assert (client.requests, client.budget().failures) == (3, 0)


def test_an_answer_that_comes_soon_is_taken_though_the_caller_wants_to_stop(
    make_client: MakeClient, rehearsal: Rehearsal
) -> None:
    interrupt = threading.Event()
    client = make_client(interrupt=interrupt)
    name = rehearsal.site.places[0].name
    client.about(name)
    rehearsal.weather.add("slow delay=0.5")
    set_on_arrival(interrupt, rehearsal)
    assert client.about(name)["display_name"] == name
    with pytest.raises(Interrupted):
        client.about(name)


@pytest.fixture
def external(bin_dir: Path | None) -> Iterator[ExternalServer]:
    """A server that may be stopped."""
    directory = open_directory()
    server = ExternalServer.make(directory, bin_dir)
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_the_budget_outlives_a_restart_of_the_server(external: ExternalServer) -> None:
    """Also while somebody sleeps for a slot; a failure of the database is none of Reddit's."""
    target = Target(external.conninfo(), embedded=False, source="test")
    database = Database(Connector(target, DatabaseSettings(), "test"))
    schema.migrate(database.connector)
    budget = Budget(lambda: database.connect(autocommit=True), "an-id", requests_per_minute=30)
    entered: list[Ticket] = []
    for _ in range(2):
        budget.enter()
        sleeper = threading.Thread(target=lambda: entered.append(budget.enter()), daemon=True)
        sleeper.start()
        time.sleep(0.3)
        external.stop()
        time.sleep(2)
        external.start()
        sleeper.join(60)
    assert len(entered) == 2
    # An answer that was lost with its session was counted by the database all the same.
    state = budget.state()
    assert 4 <= state.sent <= 6
    assert state.failures == 0
    budget.close()
