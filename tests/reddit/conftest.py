"""A rehearsal Reddit, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from crawlers import PLENTY, reddit_settings

from redclust.config import RedditSettings
from redclust.db.session import Database
from redclust.reddit.client import Client
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.world import World


@pytest.fixture(scope="session")
def world() -> World:
    return World.generate(5, subreddits=120, users=800, communities=6, posts=1_500, comments=8_000)


@pytest.fixture
def rehearsal(world: World) -> Iterator[Rehearsal]:
    """A Reddit that grants plenty."""
    with serve(world, budget=Budget(requests=PLENTY)) as served:
        yield served


@pytest.fixture
def settings(rehearsal: Rehearsal) -> RedditSettings:
    return reddit_settings(rehearsal)


@pytest.fixture
def make_client(settings: RedditSettings, database: Database) -> Iterator[Callable[..., Client]]:
    """``make_client(lane=…)``: closed after the test."""
    with ExitStack() as stack:

        def make(settings_: RedditSettings = settings, **options: object) -> Client:
            return stack.enter_context(Client(settings_, database, **options))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
