"""A job from being wanted to its end, one worker at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from job_rows import LEASE, claimed, job, names_in_turn, run, runs

from redclust import queue
from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.errors import SchemaMismatch
from redclust.queue import LeaseLost, Worker


def test_a_subreddit_has_one_job_and_wanting_it_again_resets_it(
    connection: Connection, worker: Worker
) -> None:
    first = queue.enqueue(connection, ["golang", "rust", "Golang"], priority=5, options={"posts": 100})
    assert [(e.name, e.before) for e in first] == [("golang", None), ("rust", None)]
    assert queue.enqueue_new(connection, ["GOLANG", "zig"], priority=0).keys() == {"zig"}
    assert job(connection, "golang")["priority"] == 5
    lease = claimed(worker)
    assert (lease.job.name, lease.job.options, lease.job.checkpoint) == ("golang", {"posts": 100}, None)
    with worker.page(lease) as page:
        lease.checkpoint(page, {"after": "t3_1"})
    assert [e.before for e in queue.enqueue(connection, ["golang"], priority=50)] == ["crawling"]
    with worker.page(lease) as page:
        lease.complete(page, "ok", figures={"requests": 2})
    done = job(connection, "golang")
    assert (done["status"], done["verdict"], done["pages"]) == ("completed", "ok", 1)
    assert done["checkpoint"] is None
    assert [done[column] for column in LEASE] == [None] * len(LEASE)
    assert runs(connection, "golang") == [("completed", "ok", None, 1)]
    assert [e.before for e in queue.enqueue(connection, ["golang"])] == ["completed"]
    again = job(connection, "golang")
    assert (again["status"], again["priority"], again["options"], again["pages"]) == ("pending", 1, {}, 0)
    assert (again["verdict"], again["started_at"], again["completed_at"]) == (None, None, None)
    assert again["token"] > done["token"]
    assert run(connection, "SELECT FROM crawl_jobs") == 3


def test_a_waiting_job_keeps_the_higher_priority_and_gets_the_newer_options(
    connection: Connection, worker: Worker
) -> None:
    queue.enqueue(connection, ["golang"], priority=7, options={"posts": 10})
    lease = claimed(worker)
    with worker.page(lease) as page:
        lease.checkpoint(page, {"after": "t3_1"})
    lease.fail(connection, "HTTP 500", retryable=True)
    queue.enqueue(connection, ["golang"], priority=3, options={"posts": 10})
    waiting = job(connection, "golang")
    assert (waiting["priority"], waiting["checkpoint"], waiting["attempts"]) == (7, {"after": "t3_1"}, 0)
    assert waiting["run_at"] <= datetime.now(UTC)
    queue.enqueue(connection, ["golang"], options={"posts": 20})
    other = job(connection, "golang")
    assert (other["priority"], other["checkpoint"], other["options"]) == (7, None, {"posts": 20})


def test_higher_priority_is_first_and_of_equals_the_longest_waiting(
    connection: Connection, worker: Worker
) -> None:
    for name, priority in (("a", 1), ("b", 1), ("c", 100), ("d", 10), ("e", 0), ("f", 10), ("g", -3)):
        queue.enqueue(connection, [name], priority=priority)
    run(connection, "UPDATE crawl_jobs SET run_at = now() - interval '1 minute' WHERE subreddit_name = 'b'")
    assert names_in_turn(worker) == ["c", "d", "f", "b", "a", "e", "g"]
    queue.enqueue(connection, ["z", "y", "x"])
    assert names_in_turn(worker) == ["z", "y", "x"]


def test_waiting_lifts_a_job_by_so_many_levels_and_never_to_urgent(
    connection: Connection, make_worker: Callable[..., Worker]
) -> None:
    def waited(name: str, priority: int, hours: float) -> None:
        queue.enqueue(connection, [name], priority=priority)
        run(
            connection,
            "UPDATE crawl_jobs SET run_at = now() - %s WHERE subreddit_name = %s",
            timedelta(hours=hours),
            name,
        )

    waited("old", 1, 5.5)  # 6
    waited("fresh5", 5, 0)
    waited("fresh6", 6, 0)  # 6, for less long
    waited("fresh7", 7, 0)
    waited("ancient", 1, 24 * 365)  # 10: nine levels at most
    waited("fresh11", 11, 0)
    waited("urgent", 100, 0)
    waited("high and ancient", 98, 24 * 365)  # 99
    waited("most urgent", 101, 0)
    before = connection.execute("SELECT id, xmin, priority FROM crawl_jobs ORDER BY id").fetchall()
    worker = make_worker(ageing_step_min=60, ageing_levels=9)
    first = claimed(worker)
    assert first.job.name == "most urgent"
    after = connection.execute("SELECT id, xmin, priority FROM crawl_jobs ORDER BY id").fetchall()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1, "a claim rewrites the job it takes"
    assert names_in_turn(worker) == [
        "urgent",
        "high and ancient",
        "fresh11",
        "ancient",
        "fresh7",
        "old",
        "fresh6",
        "fresh5",
    ]


def test_a_failure_waits_longer_each_time_and_progress_forgives(
    connection: Connection, make_worker: Callable[..., Worker]
) -> None:
    worker = make_worker(retries=3, backoff_s=60, backoff_max_s=200, jitter_ratio=0.2)
    queue.enqueue(connection, ["golang"])
    waits: list[float] = []

    def attempt(*, progress: bool = False) -> datetime | None:
        run(connection, "UPDATE crawl_jobs SET run_at = now() - interval '1 s'")
        lease = claimed(worker)
        if progress:
            with worker.page(lease) as page:
                lease.checkpoint(page, {})
        return lease.fail(connection, "HTTP 503", retryable=True)

    for _ in range(3):
        at = attempt()
        assert at is not None
        waits.append((at - datetime.now(UTC)).total_seconds())
    for wait, middle in zip(waits, (60, 120, 200), strict=True):
        assert 0.8 * middle - 1 <= wait <= 1.2 * middle
    assert worker.claim() is None, "a job in its backoff is not claimed"
    assert attempt(progress=True) is not None
    assert [attempt() for _ in range(3)][-1] is None
    failed = job(connection, "golang")
    assert (failed["status"], failed["error_message"]) == ("failed", "HTTP 503")
    assert failed["completed_at"] is not None
    assert [outcome for outcome, *_ in runs(connection, "golang")] == ["retry"] * 6 + ["failed"]


def test_what_is_no_use_to_try_again_has_failed_at_once(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)
    assert lease.fail(connection, "no such thing", retryable=False) is None
    assert job(connection, "golang")["status"] == "failed"


def test_a_wait_that_is_asked_for_is_kept(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    at = claimed(worker).fail(connection, "429", retryable=True, after_s=3600)
    assert at is not None
    assert at > datetime.now(UTC) + timedelta(seconds=3590)


def test_errors_are_kept_without_secrets(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    text = (
        "401 for https://me:pa55word@reddit.test/api?client_secret=s3cr3t&x=1, "
        "Authorization: bearer abc.def-123, {'refresh_token': 'tok3n'}\0 " + "x" * 5000
    )
    claimed(worker).fail(connection, text, retryable=True)
    kept = str(job(connection, "golang")["error_message"])
    assert kept.startswith("401 for https://me:****@reddit.test/api?client_secret=****&x=1, Authorization:")
    for secret in ("pa55word", "s3cr3t", "abc.def", "tok3n"):
        assert secret not in kept
    assert len(kept) == 2000


def test_a_job_handed_back_goes_on_where_it_was_before_others_of_its_priority(
    connection: Connection, worker: Worker
) -> None:
    queue.enqueue(connection, ["golang"])
    queue.enqueue(connection, ["rust"])
    lease = claimed(worker)
    with worker.page(lease) as page:
        lease.checkpoint(page, {"after": "t3_1"})
    lease.hand_back(connection, "SIGTERM")
    back = job(connection, "golang")
    assert (back["status"], back["attempts"], back["started_at"]) == ("pending", 0, None)
    again = claimed(worker)
    assert (again.job.name, again.job.checkpoint, again.job.pages) == ("golang", {"after": "t3_1"}, 1)
    again.hand_back(connection, "no budget", after_s=60)
    assert claimed(worker).job.name == "rust"
    assert worker.claim() is None
    assert runs(connection, "golang") == [
        ("handed back", None, "SIGTERM", 1),
        ("handed back", None, "no budget", 1),
    ]


def test_leaving_a_lease_without_an_end_lets_the_job_go(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    with claimed(worker):
        pass
    assert (job(connection, "golang")["status"], job(connection, "golang")["attempts"]) == ("pending", 0)
    with pytest.raises(KeyboardInterrupt), claimed(worker):
        raise KeyboardInterrupt
    assert (job(connection, "golang")["status"], job(connection, "golang")["attempts"]) == ("pending", 0)
    with pytest.raises(ZeroDivisionError), claimed(worker):
        raise ZeroDivisionError("division by zero")
    failed = job(connection, "golang")
    assert (failed["status"], failed["attempts"]) == ("pending", 1)
    assert failed["error_message"] == "ZeroDivisionError: division by zero"
    assert failed["run_at"] > datetime.now(UTC)


def test_an_end_whose_transaction_fails_is_none(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)

    def end() -> None:
        with lease, worker.page(lease) as page:
            lease.complete(page, "ok")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end()
    assert job(connection, "golang")["status"] == "pending"
    assert [outcome for outcome, *_ in runs(connection, "golang")] == ["retry"]


def test_named_jobs_are_claimed_whatever_their_turn(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["urgent"], priority=100)
    ids = [e.id for e in queue.enqueue(connection, ["golang", "rust"])]
    run(connection, "UPDATE crawl_jobs SET run_at = now() + interval '1 h' WHERE subreddit_name = 'golang'")
    leases = [worker.claim(only=ids) for _ in range(3)]
    assert [lease and lease.job.name for lease in leases] == ["rust", "golang", None]


def test_nothing_is_claimed_while_anybody_pauses(connection: Connection, worker: Worker) -> None:
    ids = [e.id for e in queue.enqueue(connection, ["golang"], priority=100)]
    queue.pause(connection, "disk is full")
    queue.pause(connection, "restoring", holder="restore")
    assert worker.claim() is None
    assert worker.claim(only=ids) is None
    assert [(p.holder, p.reason) for p in queue.pauses(connection)] == [
        ("operator", "disk is full"),
        ("restore", "restoring"),
    ]
    assert queue.resume(connection)
    assert not queue.resume(connection)
    assert worker.claim() is None
    queue.resume(connection, holder="restore")
    assert claimed(worker).job.name == "golang"


def test_stale_jobs_wait_again(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust", "zig"])
    for _ in range(3):
        claimed(worker).complete(connection, "ok")
    run(
        connection,
        "UPDATE crawl_jobs SET completed_at = now() - interval '8 days' WHERE subreddit_name <> 'zig'",
    )
    assert queue.enqueue_stale(connection, stale_after_s=7 * 86400, priority=0, limit=1) == 1
    assert queue.enqueue_stale(connection, stale_after_s=7 * 86400, priority=0) == 1
    assert queue.enqueue_stale(connection, stale_after_s=7 * 86400) == 0
    assert job(connection, "golang")["priority"] == 0
    assert sorted(names_in_turn(worker)) == ["golang", "rust"]


def test_a_fence_outside_a_transaction_is_refused(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    with pytest.raises(RuntimeError, match="outside a transaction"):
        claimed(worker).fence(connection)


def test_nothing_can_be_done_with_a_job_that_was_released(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang"])
    lease = claimed(worker)
    assert queue.release_all(connection, "restored") == 1
    for act in (
        lambda: lease.checkpoint(connection, {}),
        lambda: lease.complete(connection, "ok"),
        lambda: lease.fail(connection, "x", retryable=True),
        lambda: lease.hand_back(connection, "x"),
        lambda: worker.page(lease).__enter__(),
    ):
        with pytest.raises(LeaseLost, match="r/golang was taken"):
            act()
    assert lease.interrupted == "the job was taken away"
    assert runs(connection, "golang") == [("taken away", None, "restored", 0)]


def test_a_worker_of_an_older_version_hands_back_and_stops(connection: Connection, worker: Worker) -> None:
    queue.enqueue(connection, ["golang", "rust"])
    lease = claimed(worker)
    run(connection, "INSERT INTO redclust_migrations VALUES (900, 'of_next_year', 'x')")
    with pytest.raises(SchemaMismatch, match="newer"), lease, worker.page(lease):
        pytest.fail("the page must not be written")
    back = job(connection, "golang")
    assert (back["status"], back["attempts"]) == ("pending", 0)
    with pytest.raises(SchemaMismatch, match="newer"):
        worker.claim()
    assert job(connection, "rust")["status"] == "pending"


def test_the_settings_must_fit_together() -> None:
    with pytest.raises(ValueError, match="at most half"):
        QueueSettings(lease_s=10, heartbeat_s=6)
