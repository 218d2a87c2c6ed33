"""Plain SQL on the queue beside live workers: every statement of the runbook, and what else people type."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import pytest
from job_rows import LEASE, claimed, job, run, runs

from harness import rounds, wait_until
from redclust import queue
from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.queue import Lease, LeaseLost, Worker

# As the runbook has them.
COUNT: LiteralString = "SELECT status, COUNT(*) FROM crawl_jobs GROUP BY status;"
RESET: LiteralString = """
UPDATE crawl_jobs
SET status = 'pending',
    started_at = NULL
WHERE status = 'crawling'
  AND started_at < NOW() - INTERVAL '15 minutes';
"""
RAISE: LiteralString = """
UPDATE crawl_jobs
SET priority = 100
WHERE subreddit_name = 'golang' AND status = 'pending';
"""
DELETE_FAILED: LiteralString = "DELETE FROM crawl_jobs WHERE status = 'failed';"
RETRY: LiteralString = (
    "UPDATE crawl_jobs SET status = 'pending', error_message = NULL WHERE status = 'failed';"
)
DELETE_OLD: LiteralString = """
DELETE FROM crawl_jobs
WHERE completed_at < NOW() - INTERVAL '30 days';
"""


def started_long_ago(connection: Connection) -> None:
    run(connection, "UPDATE crawl_jobs SET started_at = now() - interval '16 minutes'")


def cannot_write(worker: Worker, lease: Lease) -> None:
    with pytest.raises(LeaseLost), worker.page(lease) as page:
        page.execute("UPDATE crawl_jobs SET error_message = 'a stale write'")


def test_counting_changes_nothing_for_anybody(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    with claimed(worker) as lease:
        assert sorted(connection.execute(COUNT).fetchall()) == [("crawling", 1), ("pending", 1)]
        with worker.page(lease) as page:
            lease.checkpoint(page, {})
        lease.complete(worker.connection(), "ok")


def test_a_reset_takes_the_job_from_its_worker_and_another_goes_on(
    connection: Connection, make_worker: Callable[..., Worker]
) -> None:
    first, second = make_worker(lease_s=1, heartbeat_s=0.1), make_worker()
    queue.enqueue(connection, ["golang"])
    with claimed(first) as lease:
        with first.page(lease) as page:
            lease.checkpoint(page, {"page": 1})
        assert run(connection, RESET) == 0, "it has only just started"
        started_long_ago(connection)
        assert run(connection, RESET) == 1
        reset = job(connection, "golang")
        assert [reset[column] for column in LEASE] == [None] * len(LEASE)
        assert (reset["status"], reset["attempts"], reset["started_at"]) == ("pending", 0, None)
        wait_until(lambda: lease.interrupted == "the job was taken away", "its heart sees it")
        again = claimed(second)
        assert again.job.checkpoint == {"page": 1}
        cannot_write(first, lease)
    # Leaving the block did not hand back what is another's now.
    assert job(connection, "golang")["worker_id"] == second.id.id
    again.complete(connection, "ok")
    assert [(outcome, error) for outcome, _, error, _ in runs(connection, "golang")] == [
        ("taken away", "set to pending by SQL"),
        ("completed", None),
    ]


def test_a_reset_waits_for_the_page_in_hand_and_keeps_it(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)
    started_long_ago(connection)
    reset = threading.Thread(target=run, args=(connection, RESET))
    with worker.page(lease) as page:
        reset.start()
        wait_until(
            lambda: (
                page.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND datname = current_database()"
                ).fetchone()
                == (1,)
            ),
            "the reset waits",
        )
        lease.checkpoint(page, {"page": 1})
    reset.join()
    row = job(connection, "golang")
    assert (row["status"], row["checkpoint"]) == ("pending", {"page": 1})
    cannot_write(worker, lease)


def test_a_raised_job_is_next_and_nobody_s_work_is_touched(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["rust"], priority=99)
    queue.enqueue(connection, ["zig"], priority=99)
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        assert lease.job.name == "rust"
        assert run(connection, RAISE) == 1
        lease.complete(worker.connection(), "ok")
    with claimed(worker) as lease:
        assert lease.job.name == "golang"
        assert run(connection, RAISE) == 0, "it is no longer pending"
        lease.complete(worker.connection(), "ok")


def test_retrying_what_failed_begins_its_tries_anew(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    lease = claimed(worker)
    with worker.page(lease) as page:
        lease.checkpoint(page, {"page": 1})
    assert lease.fail(connection, "HTTP 500", retryable=False) is None
    before = job(connection, "golang")
    with claimed(worker) as other:
        assert run(connection, RETRY) == 1
        with worker.page(other) as page:
            other.checkpoint(page, {})
        other.complete(worker.connection(), "ok")
    row = job(connection, "golang")
    assert (row["status"], row["attempts"], row["error_message"]) == ("pending", 0, None)
    assert (row["started_at"], row["completed_at"]) == (None, None)
    assert row["run_at"] > before["run_at"]
    assert claimed(worker).job.checkpoint == {"page": 1}


def test_deleting_what_failed_or_is_old_leaves_the_others_alone(
    connection: Connection, worker: Worker
) -> None:
    queue.enqueue(connection, ["broken", "old", "again", "busy"])
    claimed(worker).fail(connection, "HTTP 500", retryable=False)
    for _ in range(2):
        claimed(worker).complete(connection, "ok")
    run(
        connection,
        "UPDATE crawl_jobs SET completed_at = now() - interval '31 days' WHERE status = 'completed'",
    )
    queue.enqueue(connection, ["again"])
    with claimed(worker) as lease:
        assert lease.job.name == "busy"
        assert run(connection, DELETE_OLD) == 1
        assert run(connection, DELETE_FAILED) == 1
        with worker.page(lease) as page:
            lease.checkpoint(page, {})
        lease.complete(worker.connection(), "ok")
    left = connection.execute("SELECT subreddit_name, status FROM crawl_jobs ORDER BY 1").fetchall()
    assert left == [("again", "pending"), ("busy", "completed")]
    assert connection.execute("SELECT count(*) FROM crawl_runs").fetchone() == (2,), "runs go with their job"
    assert worker.connection().execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_job_that_sql_ends_is_its_worker_s_no_more(
    connection: Connection, worker: Worker, status: str
) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)
    run(connection, "UPDATE crawl_jobs SET status = %s", status)
    cannot_write(worker, lease)
    row = job(connection, "golang")
    assert (row["status"], row["error_message"]) == (status, None)
    assert row["completed_at"] is not None
    assert [row[column] for column in LEASE] == [None] * len(LEASE)


def test_a_job_that_sql_deletes_is_its_worker_s_no_more(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)
    run(connection, "DELETE FROM crawl_jobs")
    queue.enqueue(connection, ["golang"])
    cannot_write(worker, lease)
    assert claimed(worker).job.id != lease.job.id


def test_a_job_that_sql_makes_has_what_it_needs(connection: Connection, worker: Worker) -> None:
    run(connection, "INSERT INTO crawl_jobs (subreddit_name, priority) VALUES ('golang', 50)")
    run(connection, "INSERT INTO crawl_jobs (subreddit_name, status) VALUES ('rust', 'crawling')")
    assert claimed(worker).job.name == "golang"
    # Nobody holds the second one: it is reset, and claimed in the same breath.
    assert claimed(worker).job.name == "rust"
    assert [error for _, _, error, _ in runs(connection, "rust")] == ["nobody holds it"]


def test_a_time_that_sql_sets_is_kept(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    claimed(worker).complete(connection, "ok")
    run(connection, "UPDATE crawl_jobs SET status = 'pending', run_at = now() + interval '1 day'")
    assert job(connection, "golang")["run_at"] > datetime.now(UTC) + timedelta(hours=23)
    assert worker.claim() is None


class Sequence:
    """Anything that can be done to a queue, in any order, and what must hold after each step."""

    def __init__(self, connection: Connection, seed: int) -> None:
        self.connection = connection
        self.choose = random.Random(seed)
        self.settings = QueueSettings(retries=2, backoff_s=0.001, backoff_max_s=0.001)
        self.leases: list[tuple[Lease, int]] = []
        self.tokens: dict[int, int] = {}

    def step(self) -> None:
        acts = (self.enqueue, self.claim, self.claim, self.page, self.page, self.end, self.silence, self.sql)
        self.choose.choice(acts)()
        self.check()

    def enqueue(self) -> None:
        names = [f"sub{self.choose.randrange(5)}" for _ in range(self.choose.randrange(1, 4))]
        act = self.choose.choice((queue.enqueue, queue.enqueue_new))
        act(
            self.connection, names, priority=self.choose.randrange(3), options={"n": self.choose.randrange(2)}
        )

    def claim(self) -> None:
        lease = queue.claim(self.connection, queue.WorkerId(), self.settings)
        if lease is not None:
            self.leases.append((lease, 0))

    def is_its_own(self, lease: Lease) -> bool:
        """By the row alone: who else could say so is what is tested."""
        cursor = self.connection.execute(
            "SELECT FROM crawl_jobs WHERE id = %s AND token = %s AND status = 'crawling' AND worker_id = %s",
            (lease.job.id, lease.job.token, lease.identity["worker"]),
        )
        return cursor.rowcount == 1

    def act(self, lease: Lease, what: Callable[[], object]) -> None:
        """A lease can write exactly while the job is its own."""
        if self.is_its_own(lease):
            what()
        else:
            with pytest.raises(LeaseLost):
                what()

    def page(self) -> None:
        if not self.leases:
            return
        newest = self.choose.random() < 0.7
        place = self.choose.randrange(max(0, len(self.leases) - 3) if newest else 0, len(self.leases))
        lease, number = self.leases[place]

        def write() -> None:
            with self.connection.transaction():
                lease.fence(self.connection)
                lease.checkpoint(self.connection, {"page": number + 1})
            self.leases[place] = (lease, number + 1)

        self.act(lease, write)

    def end(self) -> None:
        if not self.leases:
            return
        # Not forgotten afterwards: the dead may come back and try again.
        lease, _ = self.choose.choice(self.leases)
        connection = self.connection
        ends: tuple[Callable[[], object], ...] = (
            lambda: lease.complete(connection, "ok"),
            lambda: lease.fail(connection, "x", retryable=self.choose.random() < 0.8),
            lambda: lease.hand_back(connection, "x"),
        )
        self.act(lease, self.choose.choice(ends))

    def silence(self) -> None:
        run(
            self.connection,
            "UPDATE crawl_jobs SET lease_until = now() - interval '1 s' "
            "WHERE mod(id, 2) = %s AND status = 'crawling'",
            self.choose.randrange(2),
        )
        queue.rescue(self.connection, self.settings.model_copy(update={"lease_s": 0.001}))

    def sql(self) -> None:
        old: LiteralString = (
            "UPDATE crawl_jobs SET started_at = now() - interval '1 h' WHERE status = 'crawling'"
        )
        others: tuple[LiteralString, ...] = (
            RAISE,
            RETRY,
            DELETE_FAILED,
            DELETE_OLD,
            "UPDATE crawl_jobs SET status = 'failed' WHERE id % 3 = 0",
            "UPDATE crawl_jobs SET status = 'pending' WHERE id % 3 = 1",
            "UPDATE crawl_jobs SET status = 'completed' WHERE id % 3 = 2",
        )
        if self.choose.random() < 0.3:
            run(self.connection, old)
            run(self.connection, RESET)
        else:
            run(self.connection, self.choose.choice(others))

    def check(self) -> None:
        cursor = self.connection.execute("SELECT * FROM crawl_jobs")
        columns = [column.name for column in cursor.description or ()]
        rows: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in cursor]
        assert len({str(row["subreddit_name"]).lower() for row in rows}) == len(rows)
        for row in rows:
            leased = row["status"] == "crawling"
            assert all((row[column] is not None) == leased for column in LEASE), row
            assert (row["completed_at"] is not None) == (row["status"] in ("completed", "failed")), row
            assert row["token"] >= self.tokens.get(row["id"], 0), row
            assert row["checkpoint"] is None or row["pages"] > 0, row
            self.tokens[row["id"]] = row["token"]
            holders = [
                lease for lease, _ in self.leases if self.is_its_own(lease) and lease.job.id == row["id"]
            ]
            assert len(holders) == leased, row


@pytest.mark.parametrize("seed", rounds(3, 200))
def test_whatever_happens_in_whatever_order_a_job_has_one_holder(connection: Connection, seed: int) -> None:
    sequence = Sequence(connection, seed)
    for _ in range(120):
        sequence.step()
    assert any(number > 0 for _, number in sequence.leases), "something was crawled"
    assert run(connection, "SELECT FROM crawl_runs") > 0
