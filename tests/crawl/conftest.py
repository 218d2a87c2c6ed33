"""A rehearsal Reddit to crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from crawl_worlds import PLENTY
from psycopg import sql

from harness import maintenance
from redclust.db.databases import name_of
from redclust.db.session import Database
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.world import World


@pytest.fixture(scope="session")
def world() -> World:
    """Fifty subreddits, small enough that a crawl of one takes no second."""
    return World.generate(seed=3, subreddits=50, users=200, communities=5, posts=200, comments=1_500)


@pytest.fixture
def make_rehearsal(world: World) -> Iterator[Callable[..., Rehearsal]]:
    """``make_rehearsal(caps=…)``: a Reddit of the world, or of another one."""
    with ExitStack() as stack:

        def make(of: World = world, budget: Budget | None = None, **options: Any) -> Rehearsal:
            granted = budget or Budget(requests=PLENTY)
            return stack.enter_context(serve(of, budget=granted, **options))

        yield make


@pytest.fixture
def rehearsal(make_rehearsal: Callable[..., Rehearsal]) -> Rehearsal:
    return make_rehearsal()


@pytest.fixture
def live(database: Database) -> Iterator[str]:
    """The database's name; what restores make beside it is dropped at the end."""
    name = name_of(database.connector)
    yield name
    with maintenance(database.target) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (f"{name}_",)
        )
        for (other,) in rows.fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(other))))
