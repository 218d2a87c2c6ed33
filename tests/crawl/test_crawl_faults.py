"""Crashes, frozen workers and a restarted database: no job lost, no row missing, no stale write."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from crawl_faults import SCALED, Fleet, repeated
from crawl_worlds import environment, one, settings_for

from harness import SOAK, Redclust, kill_server, own_server, rounds, wait_until
from natural import contents
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.ops.crawl.hands import Hands
from redclust.ops.crawl.one import crawl
from redclust.ops.crawl.run import Limits, run
from redclust.queue import Lease, LeaseLost, Worker, enqueue
from redclust.reddit.client import Client
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import World
from redclust.report import Silent

#: Kills, freezes and restarts of Postgres.
FAULTS = (100, 30, 5) if SOAK else (3, 1, 1)


class OwnServer:
    """A Postgres that may be killed and comes back."""

    def __init__(self, home: Path, database: Database, stack: ExitStack) -> None:
        self._home, self._stack = home, stack
        self._own = own_server(home, database.connector.settings.bin_dir)
        self._stack.enter_context(self._own.in_use())
        self.database = Database(Connector(self._own.target(), database.connector.settings, "test"))
        schema.migrate(self.database.connector)

    def restart(self) -> None:
        kill_server(self._home)
        self._stack.enter_context(self._own.in_use())


@pytest.fixture
def own(home: Path, database: Database) -> Iterator[OwnServer]:
    with ExitStack() as stack:
        yield OwnServer(home, database, stack)


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """What is stored, without when it was seen: that is of each run."""
    found = contents(database)
    found["posts"] = [(*row[:5], *row[6:]) for row in found["posts"]]
    found["comments"] = [(*row[:7], *row[8:]) for row in found["comments"]]
    return {table: sorted(of, key=repr) for table, of in found.items()}


def done(database: Database) -> bool:
    return one(database, "SELECT count(*) FROM crawl_jobs WHERE status IN ('pending', 'crawling')") == 0


@pytest.mark.parametrize("seed", rounds(1, 1))
def test_killed_frozen_and_cut_off_workers_lose_nothing(
    own: OwnServer,
    database: Database,
    make_rehearsal: Callable[..., Rehearsal],
    world: World,
    tmp_path: Path,
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Four workers; whatever happens, the rows are those of a crawl that nobody disturbed."""
    if SOAK:
        world = World.generate(seed=4, subreddits=50, users=400, communities=5, posts=1_500, comments=6_000)
    rehearsal = make_rehearsal(world)
    names = [place.name for place in world.subreddits[: None if SOAK else 12]]
    for each in (database, own.database):
        with each.connect(autocommit=True) as connection:
            enqueue(connection, names)
    settings = settings_for(rehearsal, database, depth_limit=0)
    assert run(database, settings, Limits(until_empty=True), Silent()).jobs == {"ok": len(names)}
    undisturbed = len(rehearsal.requests())

    kills, freezes, restarts = FAULTS
    faults = ["kill"] * kills + ["freeze"] * freezes + ["restart"] * restarts
    chance = random.Random(seed)
    chance.shuffle(faults)
    rehearsal.weather.add("slow delay=0.3" if SOAK else "slow delay=0.05")
    env = {**environment(rehearsal, depth_limit=0), **SCALED}
    fleet = Fleet(own.database, env, tmp_path)
    try:
        while faults and not done(own.database):
            fleet.keep_up()
            time.sleep(chance.uniform(0.2, 0.9))
            match faults.pop():
                case "kill":
                    fleet.kill(chance)
                case "freeze":
                    fleet.freeze(chance, chance.uniform(3.5, 5))
                case _:
                    own.restart()
                    fleet.counts.restarts += 1
        fleet.keep_up()
        wait_until(lambda: done(own.database), "every job ends", timeout_s=400)
        wait_until(fleet.all_at_work, "every worker has begun")
        codes = fleet.stop()
    finally:
        fleet.stop()
    asked = rehearsal.requests(since=undisturbed)
    again = repeated(asked)
    over = one(own.database, "SELECT count(*) FROM crawl_runs WHERE outcome = 'reset'")
    with capsys.disabled():
        told = f"undisturbed {undisturbed} requests, disturbed {len(asked)}, {again} repeated"
        sys.stdout.write(f"\n{fleet.counts}; {told}; {over} jobs taken over\n")
    assert over > 0
    if SOAK:
        assert not faults
    assert "Traceback" not in fleet.said()
    assert set(codes) == {0}
    assert fleet.ended == {}, fleet.said()[-3000:]
    assert one(own.database, "SELECT count(*) FROM crawl_jobs") == len(names)
    assert one(own.database, "SELECT count(*) FROM crawl_jobs WHERE verdict IS DISTINCT FROM 'ok'") == 0
    assert rows(own.database) == rows(database)
    # The page in hand of whoever was hit; a restart hits all four.
    assert again <= fleet.counts.kills + fleet.counts.freezes + 4 * fleet.counts.restarts


class _NoTask:
    def advance(self, amount: float) -> None: ...
    def total(self, total: float) -> None: ...
    def note(self, text: str) -> None: ...


def _write(worker: Worker, lease: Lease, *, frozen_s: float) -> None:
    """A page whose worker stands still after the fence."""
    with worker.page(lease) as connection:
        connection.execute("INSERT INTO subreddits (name) VALUES ('stale')")
        time.sleep(frozen_s)
        connection.execute("SELECT 1")


def test_a_worker_frozen_between_fence_and_commit_writes_nothing(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    """The server ends its transaction; the job is another's by then, and only that one's pages stand."""
    settings = settings_for(rehearsal, database, depth_limit=0)
    short = settings.queue.model_copy(update={"lease_s": 1.0, "heartbeat_s": 0.2})
    settings = settings.model_copy(update={"queue": short})
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [world.subreddits[0].name])
    taken: list[Lease] = []
    with (
        Worker(database, short, print) as frozen,
        Worker(database, short, print) as other,
        Client(settings.reddit, database) as client,
    ):
        lease = frozen.claim()
        assert lease is not None
        # Not inside the lease's block: nothing beats for it, as for a process that was stopped.
        with pytest.raises(psycopg.OperationalError, match="idle-in-transaction"):
            _write(frozen, lease, frozen_s=2)

        def rescued() -> bool:
            found = other.claim()
            taken.extend([found] if found else [])
            return bool(taken)

        wait_until(rescued, "another worker has the job")
        assert crawl(Hands(other, client, settings, threading.Event()), taken[0], _NoTask()).verdict == "ok"
        with pytest.raises(LeaseLost):
            _write(frozen, lease, frozen_s=0)
    assert one(database, "SELECT count(*) FROM subreddits WHERE name = 'stale'") == 0


_WAITS_TO_WRITE = """SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE NOT l.granted AND l.relation = 'posts'::regclass AND a.application_name LIKE 'redclust crawl%'"""


def test_a_worker_stopped_between_fence_and_commit_writes_nothing(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    """SIGSTOP while the rows of a page, whose fence is passed, are about to be written."""
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [world.subreddits[0].name])
    env = {**environment(rehearsal, depth_limit=0), **SCALED}
    with database.connect() as holder:
        holder.execute("LOCK TABLE posts IN SHARE MODE")
        stopped = redclust.start("crawl", "run", env=env)
        wait_until(lambda: one(database, _WAITS_TO_WRITE) == 1, "a page waits to be written")
        stopped.send_signal(signal.SIGSTOP)
        # The server writes the rows now, and waits for a commit that does not come.
    redclust("crawl", "run", "--until-empty", env=env, check=0)
    assert one(database, "SELECT count(*) FROM crawl_runs WHERE outcome = 'reset'") == 1
    assert one(database, "SELECT verdict FROM crawl_jobs") == "ok"
    written = rows(database)
    assert written["posts"]
    told = "SELECT max(heartbeat_at) FROM crawl_workers"
    before = one(database, told)
    stopped.send_signal(signal.SIGCONT)
    wait_until(lambda: one(database, told) > before, "the stopped worker is back")
    stopped.terminate()
    _, said = stopped.communicate(timeout=30)
    assert stopped.returncode == 0, said
    assert "Traceback" not in said
    assert rows(database) == written


def _end_sessions(database: Database) -> int:
    """End what the crawler's sessions are, as a restart does; how many there were."""
    ended = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name LIKE 'redclust crawl%' AND pid <> pg_backend_pid()"""
    with database.connect(autocommit=True) as connection:
        row = connection.execute(ended).fetchone()
    return int(row[0]) if row else 0


def test_a_worker_that_waits_outlives_its_sessions(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [world.subreddits[0].name])
        connection.execute("UPDATE crawl_jobs SET run_at = now() + interval '1 hour'")
    env = environment(rehearsal, depth_limit=0)
    process = redclust.start("crawl", "run", "--until-empty", env=env)
    wait_until(lambda: one(database, "SELECT count(*) FROM crawl_workers") == 1, "the worker is at work")
    time.sleep(1)
    for _ in range(3):
        assert _end_sessions(database) > 0
        time.sleep(1.5)
    with database.connect(autocommit=True) as connection:
        connection.execute("UPDATE crawl_jobs SET run_at = now()")
    assert process.wait(timeout=30) == 0, process.communicate()[1]


def test_sessions_that_end_at_any_step_cost_nothing(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    """Also where a step reads before it asks: authors, and comments that were there before."""
    name = world.subreddits[0].name
    env = environment(rehearsal, depth_limit=1, discover_subreddits=3)
    rehearsal.weather.add("slow delay=0.2")
    ended = 0
    for _ in range(2):
        before = len(rehearsal.requests())
        process = redclust.start("crawl", "--sub", name, env=env)
        # A command that begins while the server is away says so and ends: that is another matter.
        wait_until(lambda: len(rehearsal.requests()) > before + 1, "the crawl is on its way")  # noqa: B023
        while process.poll() is None:
            ended += _end_sessions(database)
            time.sleep(0.6)
        assert process.returncode == 0, process.communicate()[1]
        with database.connect(autocommit=True) as connection:
            connection.execute("TRUNCATE author_looks")
    assert ended > 4
    assert one(database, f"SELECT verdict FROM crawl_jobs WHERE subreddit_name = '{name}'") == "ok"
