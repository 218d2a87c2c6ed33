"""Clean beside others and killed: what is removed is in the quarantine, always; and what it costs."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from lab import contents, found, inject

from harness import Redclust, kill_group, rounds, wait_until
from redclust.config import Settings
from redclust.db import locks
from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.db.session import Database
from redclust.errors import Locked
from redclust.ops import integrity, precalc
from redclust.ops.integrity import steps, turns
from redclust.ops.integrity.moment import Moment, one_moment
from redclust.ops.integrity.turns import Turns
from redclust.report import Silent, Task

ORPHANS = (
    "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
    "SELECT 1000000 + n, CASE n % 3 WHEN 0 THEN 999999 + n ELSE 37 END, "
    "(SELECT subreddit_id FROM posts WHERE id = 37), CASE n % 3 WHEN 1 THEN 5000 + n ELSE 1 END, now(), 'x' "
    "FROM generate_series(1, 20000) AS n"
)


@pytest.mark.parametrize(
    ("server_version", "possible"),
    [
        (150014, False),
        (150015, True),
        (160010, False),
        (170007, True),
        (180000, False),
        (180006, True),
        (190000, True),
    ],
)
def test_older_servers_are_not_trusted_with_two_sessions(server_version: int, possible: bool) -> None:
    assert turns.possible(server_version) is possible


@pytest.mark.parametrize("seed", rounds(2, 30))
def test_killed_at_a_random_moment(
    database: Database, connection: Connection, redclust: Redclust, seed: int
) -> None:
    inject(connection, ORPHANS)
    before = contents(connection, "comments")
    process = redclust.start("integrity", "clean", "--type", "comments", "--batch", "100")
    wait_until(lambda: _count(connection, "SELECT count(*) FROM quarantine_runs") > 0, "it has begun")
    time.sleep(random.Random(seed).uniform(0, 1.5))
    kill_group(process)
    process.wait()
    wait_until(lambda: _sessions(connection) == 0, "its sessions are gone")
    rows = _count(connection, "SELECT count(*) FROM quarantine")
    removed = 20_900 - _count(connection, "SELECT count(*) FROM comments")
    changed = _count(connection, "SELECT count(*) FROM quarantine WHERE changed IS NOT NULL")
    assert removed + changed == rows
    for (run_id,) in connection.execute("SELECT id FROM quarantine_runs ORDER BY id DESC").fetchall():
        if _count(connection, f"SELECT count(*) FROM quarantine WHERE run_id = {run_id}"):
            assert integrity.restore_quarantine(database, run_id, Silent()).ok
    assert contents(connection, "comments") == before
    assert integrity.clean(database, Silent()).ok
    assert found(database, "comments") == {}


def test_beside_writers_who_bring_what_was_missing(database: Database, connection: Connection) -> None:
    """A post that arrives while clean works keeps its comments: each batch asks again, under the lock.

    What is written to a row that goes is kept.
    """
    inject(connection, ORPHANS)
    keys = {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
    with database.connect() as writer:
        writer.execute("SELECT pg_advisory_xact_lock_shared(%(class)s::integer, %(name)s::integer)", keys)
        done: list[integrity.CleanReport] = []
        cleaner = threading.Thread(
            target=lambda: done.append(integrity.clean(database, Silent(), types=frozenset({"comments"})))
        )
        cleaner.start()
        wait_until(
            lambda: _count(connection, "SELECT count(*) FROM quarantine_runs") > 0, "the rows are collected"
        )
        writer.execute(
            "INSERT INTO posts (id, subreddit_id, created_at, title) "
            "SELECT 999999 + n, (SELECT subreddit_id FROM posts WHERE id = 37), now(), 'x' "
            "FROM generate_series(3, 9000, 3) AS n"
        )
        time.sleep(0.5)
        assert _count(connection, "SELECT count(*) FROM quarantine") == 0
        writer.execute("UPDATE comments SET body = 'later' WHERE id IN (1012000, 1015000)")
        writer.commit()
        cleaner.join()
    (orphans,) = [one for one in done[0].cleaned if one.reason == "comment_post_missing"]
    assert (orphans.found_rows, orphans.removed_rows) == (6666, 3666)
    assert done[0].ok
    kept = "SELECT count(*) FROM quarantine WHERE content ->> 'id' IN ('1012000', '1015000')"
    assert _count(connection, f"{kept} AND content ->> 'body' = 'later'") == _count(connection, kept) == 2
    assert found(database, "comments") == {}


def test_writers_who_do_not_end_are_named(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(connection, ORPHANS)
    monkeypatch.setattr(sys.modules[integrity.clean.__module__], "_WRITERS_S", 0.5)
    with (
        locks.hold(database.connector, LockName.REFERENCES, shared=True),
        pytest.raises(Locked, match="comments is being written by redclust test"),
    ):
        integrity.clean(database, Silent())
    assert _count(connection, "SELECT count(*) FROM quarantine") == 0


def test_one_clean_at_a_time(database: Database, redclust: Redclust) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True):
        failed = redclust("integrity", "clean", check=13)
    assert "the database is locked by another run" in failed.stderr


def test_clean_while_precalcs_run(database: Database, connection: Connection) -> None:
    """Neither loses a row to the other, and check sees no half of either."""
    ended = threading.Event()
    failures: list[Exception] = []

    def repeatedly(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            while not ended.is_set():
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - told at the end
                    failures.append(error)
                    return

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def compute() -> None:
        precalc.run(database, Settings().precalc, Silent(), min_shared_users=1)

    def write() -> None:
        with database.connect() as writer:
            writer.execute(
                "SELECT pg_advisory_xact_lock_shared(%(class)s::integer, %(name)s::integer)",
                {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)},
            )
            writer.execute(
                "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
                "SELECT (SELECT max(id) + 1 FROM comments), id, subreddit_id, 1 + id %% 60, now(), 'x' "
                "FROM posts WHERE id = %s",
                [37 * random.randint(1, 150)],
            )
        time.sleep(0.01)

    threads = [repeatedly(compute), repeatedly(write)]
    try:
        for _ in range(3):
            assert found(database) == {}
            inject(
                connection,
                "INSERT INTO graph_nodes (id, name, val, type) VALUES ('user_777', 'x', 1, 'user')",
            )
            assert integrity.clean(database, Silent(), lock_wait_s=60).ok
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert found(database) == {}


def test_who_is_interrupted_waits_for_one_statement_of_the_other_session(
    database: Database, connection: Connection
) -> None:
    """And not for the next ones, though it may be between two when it is cancelled."""
    looked: list[int] = []

    def looks(moment: Moment, task: Task) -> bool:
        for number in range(300):
            time.sleep(0.01)
            moment.connection.execute("SELECT pg_sleep(0.003)")
            looked.append(number)
        return True

    def interrupted() -> None:
        with (
            Turns(database, connection) as by_turns,
            one_moment(connection, read_only=False) as moment,
        ):
            by_turns.look(moment, looks)
            wait_until(lambda: bool(looked), "a look")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(looked) < 300


def test_a_batch_costs_what_it_removes(database: Database, connection: Connection) -> None:
    """By plan: rows are found by their place, and what they refer to by its key; nothing is read through."""
    del database
    connection.execute(
        "CREATE TEMPORARY TABLE doomed (step integer NOT NULL, n bigint NOT NULL, place tid NOT NULL, "
        "key text NOT NULL, other tid, later boolean NOT NULL)"
    )
    connection.execute(
        "INSERT INTO doomed SELECT 0, row_number() OVER (), ctid, id::text, NULL, false FROM comments"
    )
    connection.execute("CREATE INDEX ON doomed (step, n)")
    connection.execute("ANALYZE doomed, comments, posts, users, subreddits")
    values = {
        "step": 0,
        "first": 1,
        "last": 5,
        "run_id": 1,
        "before": 0,
        "table": "comments",
        "reason": "x",
        "steps": [],
        "column": "author_id",
    }
    # A small table is read through because that is quicker; what matters is that it need not be.
    connection.execute("SET enable_seqscan = off")
    values["places"] = '{"(0,1)"}'
    for step in steps.plan({"comments"}, []):
        for statement in (step.statement(), *(step.by_turns() if step.dangles else ())):
            plan = connection.execute(b"EXPLAIN " + statement.as_bytes(connection), values).fetchall()
            told = "\n".join(line for (line,) in plan)
            assert "Seq Scan" not in told, (step.reason, told)
            assert "Tid Scan on comments" in told, (step.reason, told)


def _count(connection: Connection, statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _sessions(connection: Connection) -> int:
    return _count(
        connection,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'redclust integrity%'",
    )
