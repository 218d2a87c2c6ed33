"""Workers that are killed, frozen or hang; the database that goes away; and nobody writes what is not his."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from job_rows import LEASE, claimed, job, run, runs
from worker_process import QUICK, WorkerProcess, pages, statuses

from harness import kill_server, own_server, rounds, settings_for, wait_until
from redclust import queue
from redclust.config import QueueSettings
from redclust.db import schema
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.queue import LeaseLost, Worker

Start = Callable[..., WorkerProcess]
MakeWorker = Callable[..., Worker]
EVERY_PAGE = [1, 2, 3, 4, 5]


def test_a_killed_worker_s_job_goes_on_at_its_checkpoint(connection: Connection, start: Start) -> None:
    queue.enqueue(connection, ["golang"])
    first = start({"page_s": 0.3})
    wait_until(lambda: len(pages(connection).get("golang", [])) >= 2, "two pages")
    first.signal(signal.SIGKILL)
    second = start()
    second.wait_for("Resetting stuck job golang: no heartbeat for", "golang done")
    assert pages(connection) == {"golang": EVERY_PAGE}
    assert "golang from page 1" not in second.said
    assert [(outcome, verdict) for outcome, verdict, *_ in runs(connection, "golang")] == [
        ("reset", None),
        ("completed", "ok"),
    ]


def test_a_worker_that_was_frozen_between_pages_writes_nothing_more(
    connection: Connection, start: Start
) -> None:
    queue.enqueue(connection, ["golang"])
    frozen = start({"stop": "before"})
    frozen.wait_for("frozen")
    start().wait_for("golang from page 2", "golang done")
    frozen.signal(signal.SIGCONT)
    frozen.wait_for("awake", "golang lost")
    assert pages(connection) == {"golang": EVERY_PAGE}
    queue.enqueue(connection, ["rust"])
    wait_until(lambda: statuses(connection) == {"completed": 2}, "both go on working")


def test_a_worker_frozen_between_fence_and_commit_holds_nobody_up_and_commits_nothing(
    connection: Connection, start: Start
) -> None:
    queue.enqueue(connection, ["golang"])
    frozen = start({"stop": "inside"})
    frozen.wait_for("frozen")
    second = start()
    second.wait_for("golang from page 2", "golang done")
    assert pages(connection) == {"golang": EVERY_PAGE}
    frozen.signal(signal.SIGCONT)
    frozen.wait_for("awake", "golang broken: OperationalError")
    assert pages(connection) == {"golang": EVERY_PAGE}
    assert job(connection, "golang")["verdict"] == "ok"


def test_a_page_that_takes_longer_than_a_lease_is_not_stuck(
    connection: Connection, make_worker: MakeWorker, said: list[str]
) -> None:
    """The transaction works, so it is not idle; its row is locked, so nobody takes it."""
    worker, other = make_worker(**QUICK), make_worker(**QUICK)
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        run(connection, "UPDATE crawl_jobs SET lease_until = now(), page_at = now() - interval '1 h'")
        with worker.page(lease) as page:
            for _ in range(8):
                page.execute("SELECT pg_sleep(0.2)")
                assert other.claim() is None
            lease.checkpoint(page, {"page": 1})
        assert other.claim() is None
        lease.complete(worker.connection(), "ok")
    assert said == []


def test_a_heartbeat_does_not_wait_for_a_page(connection: Connection, make_worker: MakeWorker) -> None:
    worker = make_worker(**QUICK)
    queue.enqueue(connection, ["golang"])

    def beat() -> object:
        return connection.execute("SELECT heartbeat_at FROM crawl_workers").fetchone()

    with claimed(worker) as lease, worker.page(lease) as page:
        for _ in range(3):
            before = beat()
            while beat() == before:
                page.execute("SELECT pg_sleep(0.05)")
        lease.complete(page, "ok")


def test_a_job_whose_worker_hangs_is_reset_by_that_worker_s_own_heart(
    connection: Connection, make_worker: MakeWorker, said: list[str]
) -> None:
    worker = make_worker(**{**QUICK, "stuck_after_min": 0.5 / 60, "backoff_s": 60, "backoff_max_s": 60})
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        wait_until(lambda: lease.interrupted is not None, "the heart says that the job is lost")
        with pytest.raises(LeaseLost), worker.page(lease):
            pytest.fail("the page must not be written")
    assert len(said) == 1
    assert said[0].startswith("Resetting stuck job golang: no committed page for 0.")
    reset = job(connection, "golang")
    assert (reset["status"], reset["attempts"]) == ("pending", 1)
    assert reset["error_message"].startswith("no committed page for")
    assert worker.claim() is None, "what hangs is given some rest"


def test_a_long_crawl_that_commits_pages_is_not_stuck(
    connection: Connection, make_worker: MakeWorker, said: list[str]
) -> None:
    worker = make_worker(**{**QUICK, "lease_s": 10, "stuck_after_min": 1.2 / 60})
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        begun = time.monotonic()
        number = 0
        while time.monotonic() < begun + 2.5:
            number += 1
            with worker.page(lease) as page:
                lease.checkpoint(page, {"page": number})
            time.sleep(0.05)
        lease.complete(worker.connection(), "ok")
    assert said == []
    assert job(connection, "golang")["pages"] == number


def test_a_job_past_its_deadline_goes_to_somebody_else(
    connection: Connection, make_worker: MakeWorker, said: list[str]
) -> None:
    worker = make_worker(**{**QUICK, "deadline_h": 0.5 / 3600})
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        while lease.interrupted is None:
            try:
                with worker.page(lease) as page:
                    lease.checkpoint(page, {"page": 1})
            except LeaseLost:
                break
            time.sleep(0.02)
    # The heart has committed first, and says it then.
    wait_until(lambda: bool(said), "the heart says what it has done")
    assert said == [
        f"Resetting stuck job golang: held for longer than one worker may "
        f"(worker {worker.id.pid} on {worker.id.host})"
    ]
    assert job(connection, "golang")["checkpoint"] == {"page": 1}


def test_a_job_that_kills_every_worker_is_given_up(connection: Connection, database: Database) -> None:
    settings = QueueSettings(retries=2)
    queue.enqueue(connection, ["golang"])
    told: list[str] = []
    for _ in range(3):
        assert queue.claim(connection, queue.WorkerId(), settings) is not None
        run(connection, "UPDATE crawl_jobs SET lease_until = now() - interval '1 s'")
        run(connection, "SELECT pg_sleep(0.01)")
        told += [str(one) for one in rescue_at_once(connection, settings)]
    failed = job(connection, "golang")
    assert (failed["status"], failed["attempts"]) == ("failed", 3)
    assert failed["completed_at"] is not None
    assert told[-1].endswith("; given up after 3 tries")
    assert [outcome for outcome, *_ in runs(connection, "golang")] == ["reset"] * 3


def rescue_at_once(connection: Connection, settings: QueueSettings) -> list[queue.Rescued]:
    """A server of the tests may have started less than a lease ago: such a lease is short here."""
    return queue.rescue(connection, settings.model_copy(update={"lease_s": 0.001}))


def test_many_rescuers_at_once_reset_each_job_once(connection: Connection, database: Database) -> None:
    settings = QueueSettings()
    queue.enqueue(connection, [f"sub{n}" for n in range(40)])
    for _ in range(40):
        assert queue.claim(connection, queue.WorkerId(), settings) is not None
    run(connection, "UPDATE crawl_jobs SET lease_until = now() - interval '1 s'")
    rescued: list[queue.Rescued] = []
    gate = threading.Barrier(4)

    def take() -> None:
        with database.connect(autocommit=True) as own:
            gate.wait()
            rescued.extend(rescue_at_once(own, settings))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.name for one in rescued) == sorted(f"sub{n}" for n in range(40))
    assert statuses(connection) == {"pending": 40}
    (count,) = connection.execute("SELECT count(*) FROM crawl_runs WHERE outcome = 'reset'").fetchone() or (
        0,
    )
    assert count == 40


def test_many_claims_at_once_take_each_job_once(connection: Connection, database: Database) -> None:
    settings = QueueSettings()
    queue.enqueue(connection, [f"sub{n}" for n in range(60)])
    queue.enqueue(connection, [f"high{n}" for n in range(60)], priority=10)
    taken: list[str] = []
    gate = threading.Barrier(4)

    def take() -> None:
        with database.connect(autocommit=True) as own:
            gate.wait()
            while (lease := queue.claim(own, queue.WorkerId(), settings)) is not None:
                taken.append(lease.job.name)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 120
    assert all(name.startswith("high") for name in taken[:50])


def test_a_pause_and_a_newer_schema_reach_a_worker_between_pages(
    connection: Connection, make_worker: MakeWorker
) -> None:
    worker = make_worker(**QUICK)
    queue.enqueue(connection, ["golang"])
    with claimed(worker) as lease:
        queue.pause(connection, "restoring", holder="restore")
        wait_until(lambda: lease.interrupted == "paused: restoring", "the heart sees the pause")
        queue.resume(connection, holder="restore")
        wait_until(lambda: lease.interrupted is None, "the heart sees its end")
        run(connection, "INSERT INTO redclust_migrations VALUES (900, 'of_next_year', 'x')")
        wait_until(lambda: "newer" in (lease.interrupted or ""), "the heart sees the schema")
    assert job(connection, "golang")["status"] == "pending"


def test_workers_are_known_while_they_live(connection: Connection, make_worker: MakeWorker) -> None:
    with pytest.MonkeyPatch.context():
        make_worker(**QUICK)
        row = connection.execute("SELECT host, pid, heartbeat_at FROM crawl_workers").fetchone()
        assert row is not None
    run(
        connection,
        "UPDATE crawl_workers SET id = gen_random_uuid(), heartbeat_at = now() - interval '2 days'",
    )
    wait_until(
        lambda: (
            run(connection, "SELECT FROM crawl_workers WHERE heartbeat_at < now() - interval '1 day'") == 0
        ),
        "long dead ones are forgotten",
    )


class OwnServer:
    """A server for one test, which may restart it."""

    def __init__(self, home: Path, bin_dir: Path | None, stack: ExitStack) -> None:
        self._home, self._stack = home, stack
        self._embedded = own_server(home, bin_dir)
        self.start()
        self.database = Database(Connector(self._embedded.target(), settings_for(bin_dir).database, "test"))
        schema.migrate(self.database.connector)

    def start(self) -> None:
        self._stack.enter_context(self._embedded.in_use())

    def kill(self) -> None:
        kill_server(self._home)


@pytest.fixture
def own(home: Path, bin_dir: Path | None) -> Iterator[OwnServer]:
    with ExitStack() as stack:
        yield OwnServer(home, bin_dir, stack)


def test_a_worker_outlives_a_restart_of_the_database(own: OwnServer, said: list[str]) -> None:
    with own.database.connect(autocommit=True) as connection:
        queue.enqueue(connection, ["golang", "rust"])
    with Worker(own.database, QueueSettings(**QUICK), said.append) as worker:
        lease = claimed(worker)
        with lease:
            with worker.page(lease) as page:
                lease.checkpoint(page, {"page": 1})
            own.kill()
            wait_until(lambda: any("does not reach" in line for line in said), "the heart tells")
            own.start()
            with worker.page(lease) as page:
                lease.checkpoint(page, {"page": 2})
            wait_until(lambda: "the heartbeat reaches the database again" in said, "the heart is back")
            own.kill()
            own.start()
            worker.write(lease, lambda page: lease.complete(page, "ok"))
        own.kill()
        own.start()
        assert claimed(worker).job.name == "rust"
    with own.database.connect(autocommit=True) as connection:
        assert job(connection, "golang")["pages"] == 2
        assert [outcome for outcome, *_ in runs(connection, "golang")] == ["completed"]
    assert not any("stuck" in line for line in said)


def test_after_a_restart_everybody_has_a_lease_s_time_to_come_back(own: OwnServer) -> None:
    settings = QueueSettings(lease_s=3, heartbeat_s=1)
    with own.database.connect(autocommit=True) as connection:
        queue.enqueue(connection, ["golang"])
        assert queue.claim(connection, queue.WorkerId(), settings) is not None
        run(connection, "UPDATE crawl_jobs SET lease_until = now() - interval '1 h'")
    own.kill()
    own.start()
    with own.database.connect(autocommit=True) as connection:
        assert queue.rescue(connection, settings) == []
        wait_until(lambda: bool(queue.rescue(connection, settings)), "rescued in the end")


@pytest.mark.parametrize("seed", rounds(1, 10))
def test_random_faults_lose_nothing_and_write_nothing_twice(
    connection: Connection, start: Start, seed: int
) -> None:
    """Ten faults a round: kills, and freezes that outlast the lease, of three workers on twelve jobs."""
    choose = random.Random(seed)
    names = [f"sub{n}" for n in range(12)]
    queue.enqueue(connection, names)
    plan = {"page_s": 0.06}
    # A job may be unlucky ten times in a row: that is not what is tested here.
    workers = [start(plan, retries=20) for _ in range(3)]
    for _ in range(10):
        time.sleep(choose.uniform(0.02, 0.3))
        place = choose.randrange(3)
        if choose.random() < 0.5:
            workers[place].signal(signal.SIGKILL)
            workers[place] = start(plan, retries=20)
        else:
            frozen = workers[place]
            frozen.signal(signal.SIGSTOP)
            threading.Timer(choose.uniform(0.1, 2.5), frozen.signal, (signal.SIGCONT,)).start()
    wait_until(lambda: statuses(connection) == {"completed": 12}, "all are done", timeout_s=60)
    assert pages(connection) == dict.fromkeys(names, EVERY_PAGE)
    for name in names:
        row = job(connection, name)
        assert [row[column] for column in LEASE] == [None] * len(LEASE)
        assert [outcome for outcome, *_ in runs(connection, name)][-1] == "completed"
