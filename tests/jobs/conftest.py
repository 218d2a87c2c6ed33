"""Workers with scaled times, and one connection to look at what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from worker_process import PAGES_TABLE, QUICK, WorkerProcess

from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.queue import Worker
from warm import Warm


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def said() -> list[str]:
    """What the workers of this test talked."""
    return []


@pytest.fixture
def make_worker(database: Database, said: list[str]) -> Iterator[Callable[..., Worker]]:
    """``make_worker(lease_s=…)``: one at work; it ends with the test."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Worker:
            worker = Worker(database, QueueSettings(**settings), said.append)
            return stack.enter_context(worker)

        yield make


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()


@pytest.fixture
def start(
    database: Database, connection: Connection, warm: Callable[[], Warm]
) -> Iterator[Callable[..., WorkerProcess]]:
    """``start(plan, lease_s=…)``: a worker in a process of its own, ready; killed with the test."""
    connection.execute(PAGES_TABLE)
    started: list[WorkerProcess] = []

    def begin(plan: dict[str, Any] | None = None, **settings: Any) -> WorkerProcess:
        worker = WorkerProcess(warm(), database.target.url(), {**QUICK, **settings}, plan or {})
        started.append(worker)
        worker.wait_for("ready")
        return worker

    yield begin
    for worker in started:
        worker.end()
