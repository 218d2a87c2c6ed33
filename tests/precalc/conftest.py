"""A precalc in this process, and one connection to look at what it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from precalc_worlds import Compute, World, clear, load

from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import precalc
from redclust.ops.precalc import PrecalcReport
from redclust.report import Silent


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(bulk=True, autocommit=True) as connection:
        yield connection


@pytest.fixture
def put(connection: Connection) -> Callable[..., None]:
    """``put(world)``: this world's rows instead of those that are there; the graph stays."""

    def replace(world: World, *, shuffled: int | None = None) -> None:
        with connection.transaction():
            clear(connection)
            load(connection, world, shuffled=shuffled)

    return replace


@pytest.fixture
def compute(database: Database) -> Compute:
    """``compute(minimum=1, clear=False, full=False, **settings)``: one run of precalc."""

    def run(
        *, minimum: int | None = None, clear: bool = False, full: bool = False, **settings: float
    ) -> PrecalcReport:
        chosen = PrecalcSettings.model_validate(settings)
        return precalc.run(database, chosen, Silent(), clear=clear, full=full, min_shared_users=minimum)

    return run
