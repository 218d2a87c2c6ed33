"""Several crawlers at once, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redclust.config import RedditSettings
from redclust.db.session import Database
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
        "timeout_s": 2,
    }
    return RedditSettings.model_validate({**told, **changed})


@contextmanager
def crawling(
    count: int, settings: RedditSettings, database: Database, name: str, **options: object
) -> Generator[list[subprocess.Popen[str]]]:
    """``count`` processes that ask for a subreddit without a pause; all have begun when the block does."""
    told = settings.model_dump(mode="json")
    secret = settings.client_secret
    told |= {"client_secret": secret.get_secret_value() if secret else None, **options}
    argv = [sys.executable, str(Path(__file__).with_name("crawler_process.py"))]
    processes = [
        subprocess.Popen(
            [*argv, database.target.conninfo, json.dumps(told), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.stdin.close()  # type: ignore[union-attr]
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def outputs(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What ended processes said: failures, and what went to standard error."""
    return [
        line
        for process in processes
        for stream in (process.stdout, process.stderr)
        if stream is not None
        for line in stream.read().splitlines()
    ]


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
