"""What stands in the tables of the queue."""

from __future__ import annotations

from typing import Any, LiteralString

from redclust.db.connect import Connection
from redclust.queue import Lease, Worker

LEASE = ("worker_id", "host", "pid", "heartbeat_at", "lease_until", "page_at", "deadline_at")


def job(connection: Connection, name: str) -> dict[str, Any]:
    """The row of one job by its columns."""
    cursor = connection.execute("SELECT * FROM crawl_jobs WHERE lower(subreddit_name) = lower(%s)", (name,))
    row = cursor.fetchone()
    assert row is not None, f"no job {name}"
    return dict(zip([column.name for column in cursor.description or ()], row, strict=True))


def runs(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    """``(outcome, verdict, error_message, pages)`` of each run, in order."""
    return connection.execute(
        "SELECT outcome, r.verdict, r.error_message, r.pages FROM crawl_runs AS r "
        "JOIN crawl_jobs AS j ON j.id = r.job_id WHERE lower(subreddit_name) = lower(%s) ORDER BY r.token",
        (name,),
    ).fetchall()


def run(connection: Connection, statement: LiteralString, *values: object) -> int:
    """Plain SQL, as an operator types it."""
    return connection.execute(statement, values or None).rowcount


def claimed(worker: Worker) -> Lease:
    lease = worker.claim()
    assert lease is not None
    return lease


def names_in_turn(worker: Worker) -> list[str]:
    """Every job that may run, in the order in which it is claimed."""
    names: list[str] = []
    while (lease := worker.claim()) is not None:
        names.append(lease.job.name)
    return names
