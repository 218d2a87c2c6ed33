"""A rehearsal Reddit to crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from crawl_worlds import PLENTY

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
