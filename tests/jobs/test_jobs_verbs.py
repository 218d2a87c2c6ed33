"""``redclust jobs``: what the operator sees and does, by the installed command and below it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from job_rows import claimed, job, run

from harness import Redclust
from redclust import queue
from redclust.config import DatabaseSettings, QueueSettings, Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops import jobs
from redclust.queue import Worker
from redclust.reddit.budget import client_key

SEED = ["AskReddit", "programming", "golang", "webdev", "dataisbeautiful"]


def told(redclust: Redclust, *args: str, check: int = 0) -> dict[str, Any]:
    return json.loads(redclust("jobs", *args, "--format", "json", check=check).stdout)


def test_the_seed_is_enqueued_once_and_listed_in_its_turn(redclust: Redclust, connection: Connection) -> None:
    assert [(one["name"], one["before"]) for one in told(redclust, "enqueue", "--seed")["jobs"]] == [
        (name, None) for name in SEED
    ]
    again = redclust(
        "jobs", "enqueue", "r/Golang", "https://www.reddit.com/r/rust/", "--priority", "50", check=0
    )
    assert again.stdout == "r/Golang: waited already\nr/rust: enqueued\n"
    listed = told(redclust, "list")
    assert listed["schema"] == "redclust.jobs.list/1"
    assert listed["counts"] == {"pending": 6}
    turn = [one["subreddit_name"] for one in listed["jobs"]]
    assert turn == ["golang", "rust", "AskReddit", "programming", "webdev", "dataisbeautiful"]
    filtered = told(redclust, "list", "--sub", "r/GOLANG", "--status", "pending")
    assert [(one["subreddit_name"], one["priority"]) for one in filtered["jobs"]] == [("golang", 50)]
    text = redclust("jobs", "list", "--limit", "1", check=0, fresh=True).stdout
    assert text.startswith("6 pending, 0 crawling, 0 completed, 0 failed\nNo worker is alive")
    assert "… and more" in text
    for wrong in (("enqueue",), ("enqueue", "r/a b"), ("show", "nosuch"), ("priority", "nosuch", "5")):
        assert redclust("jobs", *wrong, check=2).stdout == ""


def test_one_job_is_shown_with_its_past_tries(
    redclust: Redclust, connection: Connection, worker: Worker
) -> None:
    queue.enqueue(connection, ["golang"], options={"posts": 10})
    lease = claimed(worker)
    with worker.page(lease) as page:
        lease.checkpoint(page, {"after": "t3_1"})
    lease.fail(connection, "HTTP 503", retryable=True)
    with claimed_now(connection, worker) as held:
        shown = redclust("jobs", "show", "r/golang", check=0).stdout
        assert "r/golang: crawling, priority 1" in shown
        assert f"worker               {worker.id.pid} on {worker.id.host}" in shown
        assert "retry" in shown
        assert "HTTP 503" in shown
        held.complete(worker.connection(), "ok")
    document = told(redclust, "show", "golang")
    assert (document["job"]["status"], document["job"]["verdict"]) == ("completed", "ok")
    assert [one["outcome"] for one in document["runs"]] == ["completed", "retry"]


def claimed_now(connection: Connection, worker: Worker) -> queue.Lease:
    run(connection, "UPDATE crawl_jobs SET run_at = now() - interval '1 s' WHERE status = 'pending'")
    return claimed(worker)


def test_failed_jobs_wait_again(redclust: Redclust, connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust", "zig"])
    for _ in range(2):
        claimed(worker).fail(connection, "HTTP 500", retryable=False)
    some = redclust("jobs", "retry", "golang", "zig", "nosuch", check=3)
    assert some.stdout == (
        "1 failed jobs wait again: r/golang\nr/zig: is pending, not failed\nr/nosuch: has no job\n"
    )
    row = job(connection, "golang")
    assert (row["status"], row["attempts"], row["error_message"], row["completed_at"]) == (
        "pending",
        0,
        None,
        None,
    )
    assert told(redclust, "retry")["retried"] == ["rust"]


def test_clear_counts_asks_and_deletes(
    redclust: Redclust, connection: Connection, worker: Worker, database: Database
) -> None:
    queue.enqueue(connection, ["broken", "old", "fresh", "busy"])
    claimed(worker).fail(connection, "HTTP 500", retryable=False)
    for _ in range(2):
        claimed(worker).complete(connection, "ok")
    lease = claimed(worker)
    assert lease.job.name == "busy"
    run(
        connection,
        "UPDATE crawl_jobs SET completed_at = now() - interval '31 days' WHERE subreddit_name <> 'fresh'",
    )
    counted = told(redclust, "clear", "--older-than", "30d", "--dry-run")
    assert (counted["cleared"], counted["dry_run"]) == ({"completed": 1, "failed": 1}, True)
    refused = redclust("jobs", "clear", "--status", "failed", check=17)
    assert "needs --yes" in refused.stderr
    assert run(connection, "SELECT FROM crawl_jobs") == 4
    done = redclust("jobs", "clear", "--status", "failed", "--older-than", "30d", "--yes", check=0)
    assert done.stdout == "Deleted 1 failed\n"
    assert jobs.clear(database, status=None, older_than_s=0, dry_run=False).cleared == {"completed": 2}
    assert run(connection, "SELECT FROM crawl_jobs") == 1
    lease.complete(connection, "ok")
    for wrong in ((), ("--status", "crawling")):
        redclust("jobs", "clear", *wrong, "--yes", check=2)


def test_a_priority_is_changed_where_it_means_something(
    redclust: Redclust, connection: Connection, worker: Worker, database: Database
) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    assert redclust("jobs", "priority", "r/rust", "100", check=0).stdout == "r/rust has priority 100\n"
    lease = claimed(worker)
    assert lease.job.name == "rust"
    assert jobs.priority(database, "rust", 7).status == "crawling"
    lease.complete(connection, "ok")
    with pytest.raises(UsageError, match="completed and waits for nothing"):
        jobs.priority(database, "rust", 7)


def test_stuck_jobs_are_reset_on_demand(
    redclust: Redclust, connection: Connection, worker: Worker, database: Database
) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    first = claimed(worker)
    claimed(worker)
    run(
        connection, "UPDATE crawl_jobs SET page_at = now() - interval '6 min' WHERE subreddit_name = 'golang'"
    )
    settings = QueueSettings()
    assert jobs.reset_stuck(database, settings, after_s=None).reset == ()
    # The server of the tests has just started, which every job is forgiven.
    run(connection, "SELECT pg_sleep(0.2)")
    assert jobs.reset_stuck(database, settings, after_s=0.1).crawling == 0
    assert first.job.name == "golang"
    assert redclust("jobs", "reset-stuck", check=0).stdout == "0 jobs reset; 0 are being crawled\n"


def test_pause_and_resume(redclust: Redclust, connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    claimed(worker)
    paused = redclust("jobs", "pause", "--reason", "the disk is full", check=0).stdout
    assert paused.startswith("Paused by operator since ")
    assert ": the disk is full\n1 jobs are still in the hands of workers" in paused
    assert worker.claim() is None
    queue.pause(connection, "swapping", holder="restore")
    left = told(redclust, "resume", check=3)
    assert [one["holder"] for one in left["pauses"]] == ["restore"]
    assert redclust("jobs", "resume", "--all", check=0).stdout == "The queue runs\n"
    assert claimed(worker).job.name == "rust"


def why(database: Database, **settings: Any) -> jobs.WhyReport:
    return jobs.why(database, Settings(database=DatabaseSettings(), **settings), "golang")


def test_why_a_job_is_not_running(
    redclust: Redclust, connection: Connection, database: Database, make_worker: Callable[..., Worker]
) -> None:
    queue.enqueue(connection, ["golang"])
    alone = redclust("jobs", "why", "r/golang", check=0)
    assert alone.stdout == "r/golang waits for a worker, and none is alive: redclust crawl run.\n"
    worker = make_worker()
    assert why(database).sentence == "r/golang is next: 0 of 1 workers are busy."
    queue.pause(connection, "disk is full")
    paused = why(database)
    assert [reason.kind for reason in paused.reasons] == ["paused"]
    assert "waits until operator's pause of" in paused.sentence
    assert paused.sentence.endswith("is lifted: disk is full.")
    queue.resume(connection)
    queue.enqueue(connection, ["a", "b", "c"], priority=5)
    claimed(worker).complete(connection, "ok")
    turn = why(database)
    assert turn.sentence.startswith("r/golang waits for its turn: 2 jobs come before it (priority 1), about ")
    (reason,) = turn.reasons
    assert (reason.kind, reason.at is not None) == ("turn", True)
    run(connection, "UPDATE crawl_jobs SET run_at = now() - interval '3 h' WHERE subreddit_name = 'golang'")
    assert "(priority 1, 4 with waiting)" in why(database).sentence
    for _ in range(2):
        claimed(worker).complete(connection, "ok")
    with claimed(worker) as lease:
        running = why(database)
        assert running.status == "crawling"
        assert running.sentence.startswith(f"r/golang is being crawled by worker {worker.id.pid} on")
        run(connection, "UPDATE crawl_jobs SET lease_until = now() WHERE status = 'crawling'")
        assert "has been silent for" in why(database).sentence
        lease.fail(worker.connection(), "HTTP 503", retryable=True)
    waits = why(database)
    assert waits.sentence.startswith("r/golang waits until 2")
    assert waits.sentence.endswith("after 1 of 4 tries: HTTP 503.")
    with claimed_now(connection, worker) as lease:
        lease.fail(worker.connection(), "HTTP 500", retryable=False)
    assert "failed for good at" in why(database).sentence
    assert "HTTP 500; redclust jobs retry golang" in why(database).sentence
    jobs.retry(database, [])
    claimed(worker).complete(connection, "private")
    assert "was crawled at" in why(database).sentence
    assert "(private); a worker lets it wait again after" in why(database).sentence


def test_why_names_the_budget_and_the_breaker_of_the_client_that_is_used(
    connection: Connection, database: Database, worker: Worker
) -> None:
    queue.enqueue(connection, ["golang"])
    reddit = {"client_id": "ours"}
    for client in ("ours", "theirs"):
        run(connection, "INSERT INTO api_budgets (client) VALUES (%s)", client_key(client))

    def state(client: str, assignment: str, length: timedelta) -> None:
        statement = f"UPDATE api_budgets SET {assignment} = now() + %s WHERE client = %s"
        connection.execute(statement.encode(), (length, client_key(client)))

    state("theirs", "halt_reason = '429', halted_until", timedelta(hours=1))
    assert why(database, reddit=reddit).reasons[0].kind == "next"
    state("ours", "failures = 5, last_failure = 'HTTP 503', open_until", timedelta(seconds=50))
    broken = why(database, reddit=reddit)
    assert broken.reasons[0].kind == "breaker"
    assert "circuit breaker open after 5 failures, the last: HTTP 503" in broken.sentence
    state("ours", "halt_reason = '429', halted_until", timedelta(minutes=5))
    halted = why(database, reddit=reddit)
    assert halted.reasons[0].kind == "budget"
    assert "Reddit halted all crawlers (429)" in halted.sentence
    run(connection, "UPDATE api_budgets SET halted_until = NULL, open_until = NULL")
    state("ours", "next_at", timedelta(minutes=2, seconds=30))
    assert "the next free slot is in 2m" in why(database, reddit=reddit).sentence
