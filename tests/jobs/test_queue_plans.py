"""The plans of what every worker asks all the time, also where the statistics are of another moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from job_rows import run

from redclust import queue
from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.sql import query


def completed(connection: Connection) -> None:
    run(
        connection,
        "INSERT INTO crawl_jobs (subreddit_name, status, completed_at) "
        "SELECT 'done' || n, 'completed', now() FROM generate_series(1, 20000) AS n",
    )


def waiting(connection: Connection) -> None:
    run(
        connection,
        "INSERT INTO crawl_jobs (subreddit_name, priority) "
        "SELECT 'sub' || n, n % 7 FROM generate_series(1, 20000) AS n",
    )


def nothing_ever_analyzed(connection: Connection) -> None:
    completed(connection)
    waiting(connection)


def analyzed_before_anything_waited(connection: Connection) -> None:
    completed(connection)
    run(connection, "ANALYZE crawl_jobs")
    waiting(connection)


def analyzed_while_nothing_was_crawled(connection: Connection) -> None:
    waiting(connection)
    completed(connection)
    run(connection, "ANALYZE crawl_jobs")


def analyzed_while_empty(connection: Connection) -> None:
    run(connection, "ANALYZE crawl_jobs")
    waiting(connection)


STATES = (
    nothing_ever_analyzed,
    analyzed_before_anything_waited,
    analyzed_while_nothing_was_crawled,
    analyzed_while_empty,
)
HELD: dict[str, Any] = {"id": 5, "token": 1, "worker": uuid4()}


@pytest.mark.parametrize("fill", STATES, ids=lambda fill: fill.__name__)
def test_a_worker_reads_jobs_by_index_alone(
    connection: Connection, fill: Callable[[Connection], None]
) -> None:
    run(connection, "ALTER TABLE crawl_jobs SET (autovacuum_enabled = off)")
    fill(connection)
    settings = QueueSettings()
    for _ in range(20):
        assert queue.claim(connection, queue.WorkerId(), settings) is not None
    order = {"ageing_step_s": 3600.0, "ageing_levels": 9}
    lease = {"lease_s": 60.0, "deadline_s": 3600.0, "schema_version": 999}
    owner = {"worker": uuid4(), "host": "h", "pid": 1}
    asked: dict[str, dict[str, Any]] = {
        "claim": {**owner, **lease, **order},
        "fence": HELD,
        "checkpoint": {**HELD, "state": "{}", "lease_s": 60.0},
        "beat": {**owner, **HELD, "version": "1", "lease_s": 60.0},
    }
    for name, values in asked.items():
        plan = "\n".join(
            str(line) for (line,) in connection.execute("EXPLAIN " + query("queue", name), values)
        )
        assert not re.search(r"Seq Scan on crawl_jobs|Bitmap Heap Scan on crawl_jobs", plan), plan
        used = {"crawl_jobs_pkey", "crawl_jobs_live"} if name == "claim" else {"crawl_jobs_pkey"}
        assert set(re.findall(r"using (crawl_jobs_\w+)", plan)) == used, plan
