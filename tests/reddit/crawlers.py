"""Several crawlers at once, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from redclust.config import RedditSettings
from redclust.db.session import Database
from redclust.reddit.client import Client
from redclust.rehearsal.ledger import Request
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET
from redclust.rehearsal.server import Rehearsal

USER_AGENT = "linux:redclust-test:1 (by /u/somebody)"
#: So much that no test waits for the budget: 100,000 requests a minute.
PLENTY = 1_000_000


def reddit_settings(rehearsal: Rehearsal, **changed: object) -> RedditSettings:
    """What a crawler of a rehearsal is told."""
    told: dict[str, object] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "user_agent": USER_AGENT,
        "oauth_url": rehearsal.url,
        "reddit_url": rehearsal.url,
        "timeout_s": 1,
    }
    return RedditSettings.model_validate({**told, **changed})


@contextmanager
def crawling(
    count: int, settings: RedditSettings, database: Database, name: str
) -> Generator[subprocess.Popen[str]]:
    """``count`` processes that ask for a subreddit without a pause; what they have to say is in ``stdout``.

    What Reddit grants is known by then: a first client has asked.
    """
    with Client(settings, database) as first:
        first.about(name)
    secret = settings.client_secret
    told = settings.model_dump(mode="json") | {"client_secret": secret.get_secret_value() if secret else None}
    script = Path(__file__).with_name("crawler_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(count), database.target.conninfo, json.dumps(told), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def most_in_a_window(times_s: Sequence[float], window_s: float) -> int:
    """The greatest number of times within any window of that length."""
    ordered = sorted(times_s)
    most = begin = 0
    for end, at in enumerate(ordered):
        while ordered[begin] <= at - window_s:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def received_s(requests: Sequence[Request]) -> list[float]:
    return [request.received_s for request in requests]
