"""Clients of a rehearsal Reddit: PRAW as it is installed, and plain HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import praw
import pytest
import requests

from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET
from redclust.rehearsal.server import Rehearsal


@pytest.fixture
def praw_for() -> Callable[..., praw.Reddit]:
    """``praw_for(rehearsal)``: the real client, pointed at a rehearsal."""

    def make(rehearsal: Rehearsal, **changed: Any) -> praw.Reddit:
        options: dict[str, Any] = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "user_agent": "linux:redclust-tests:1 (by /u/nobody)",
            "oauth_url": rehearsal.url,
            "reddit_url": rehearsal.url,
            "check_for_updates": False,
        }
        return praw.Reddit(**{**options, **changed})

    return make


@pytest.fixture
def http() -> Iterator[Callable[..., requests.Response]]:
    """``http(rehearsal, "/r/NAME/new", limit=100)``: one request with a token that is kept."""
    session = requests.Session()
    tokens: dict[str, str] = {}

    def ask(rehearsal: Rehearsal, path: str, *, patience_s: float = 10, **words: Any) -> requests.Response:
        if rehearsal.url not in tokens:
            grant = session.post(
                f"{rehearsal.url}/api/v1/access_token",
                auth=(CLIENT_ID, CLIENT_SECRET),
                data={"grant_type": "client_credentials"},
                timeout=5,
            )
            tokens[rehearsal.url] = grant.json()["access_token"]
        headers = {"Authorization": f"bearer {tokens[rehearsal.url]}"}
        url = f"{rehearsal.url}{path}"
        return session.get(url, params=words, headers=headers, allow_redirects=False, timeout=patience_s)

    yield ask
    session.close()
