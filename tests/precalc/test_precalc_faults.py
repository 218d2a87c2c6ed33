"""Killed, interrupted, failing inside, two at once: the last good graph stays, and the next run works."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import psycopg
import pytest
from graph_readers import Poller, look
from precalc_worlds import Compute, count, planted, stored

from harness import Redclust, kill_group, wait_until
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import Locked
from redclust.ops import precalc
from redclust.ops.precalc import swap

WORLDS = (planted(5, 12, 900, seed=1), planted(4, 12, 700, seed=2))
LOCK_OUT = "LOCK TABLE graph_links IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
def locked_graph(database: Database, connection: Connection, put: Callable[..., None]) -> Connection:
    """A session that has locked the links of a graph, in a transaction: a run stops at its swap."""
    put(WORLDS[0])
    session = database.connect(role="operator")
    session.execute(LOCK_OUT)
    return session


def test_killed_at_random_moments(
    connection: Connection, put: Callable[..., None], compute: Compute, redclust: Redclust, database: Database
) -> None:
    _kill_rounds(4, connection, put, compute, redclust, database)


@pytest.mark.soak
def test_killed_at_many_random_moments(
    connection: Connection, put: Callable[..., None], compute: Compute, redclust: Redclust, database: Database
) -> None:
    rounds = int(os.environ.get("REDCLUST_TEST_KILLS", "50"))
    _kill_rounds(rounds, connection, put, compute, redclust, database)


def _kill_rounds(
    rounds: int,
    connection: Connection,
    put: Callable[..., None],
    compute: Compute,
    redclust: Redclust,
    database: Database,
) -> None:
    rng = random.Random()
    put(WORLDS[0])
    duration_s = compute().duration_s
    runs = 1
    whole = {look(connection)}
    with Poller(database, psycopg.IsolationLevel.READ_COMMITTED).at_work() as poller:
        for number in range(1, rounds + 1):
            world = WORLDS[number % 2]
            put(world)
            good = look(connection)
            process = redclust.start("precalc")
            runs += 1
            wait_until(lambda runs=runs: len(_states(connection)) == runs, "the run has begun")
            time.sleep(rng.uniform(0, duration_s * 1.2))
            kill_group(process)
            process.wait()
            # A commit that was on its way arrives, or nothing does.
            wait_until(lambda: _sessions(connection) == 0, "the killed run's sessions are gone")
            if _states(connection)[-1] == "completed":
                assert stored(connection) == count(world, minimum=2)
                whole.add(look(connection))
            else:
                assert _states(connection)[-1] == "running"
                assert look(connection) == good
            # After the other rounds the next one finds this run dead, and may be killed too.
            if number % 2 == 0:
                assert compute().run_id == runs + 1
                runs += 1
                assert stored(connection) == count(world, minimum=2)
                whole.add(look(connection))
                assert "running" not in _states(connection)
                assert precalc.status(database, limit=1).ok
    assert poller.error is None
    assert set(poller.seen) <= whole


def test_a_killed_run_is_told(
    connection: Connection, put: Callable[..., None], redclust: Redclust, locked_graph: Connection
) -> None:
    process = redclust.start("precalc")
    wait_until(lambda: _states(connection) == ["running"], "the run has begun")
    kill_group(process)
    process.wait()
    locked_graph.close()
    wait_until(lambda: _sessions(connection) == 0, "the killed run's sessions are gone")
    status = redclust("precalc", "status", check=3)
    assert "was killed" in status.stdout
    done = redclust("precalc", check=0)
    assert "run 1 of" in done.stderr
    assert "was killed" in done.stderr
    row = connection.execute("SELECT status, error_message FROM precalc_runs ORDER BY id").fetchall()
    assert row == [("failed", "was killed"), ("completed", None)]


def test_two_at_once(connection: Connection, redclust: Redclust, locked_graph: Connection) -> None:
    first = redclust.start("precalc")
    wait_until(lambda: _states(connection) == ["running"], "the first run has begun")
    second = redclust("precalc", check=13)
    assert "precalc is locked by another run: redclust precalc (server process" in second.stderr
    assert "running now: redclust precalc" in redclust("precalc", "status", check=3).stdout
    locked_graph.rollback()
    assert first.wait(30) == 0
    assert _states(connection) == ["completed"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted(
    connection: Connection, redclust: Redclust, locked_graph: Connection, number: signal.Signals, code: int
) -> None:
    process = redclust.start("precalc")
    wait_until(lambda: _waits(connection), "the run waits for the lock")
    process.send_signal(number)
    assert process.wait(30) == code
    locked_graph.rollback()
    rows = connection.execute("SELECT status, error_message FROM precalc_runs").fetchall()
    assert rows == [("failed", "was interrupted")]
    assert look(connection)[0] == 0


def test_a_failure_inside_leaves_the_old_graph(
    connection: Connection, put: Callable[..., None], compute: Compute, redclust: Redclust
) -> None:
    put(WORLDS[0])
    compute()
    good = look(connection)
    connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE check_violation USING MESSAGE = 'no such link'; END $$"
    )
    connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON graph_links EXECUTE FUNCTION refuse()")
    put(WORLDS[1])
    with pytest.raises(psycopg.errors.CheckViolation):
        compute()
    assert look(connection) == good
    assert "no such link" in redclust("precalc", "status", check=3).stdout
    connection.execute("DROP TRIGGER refuse ON graph_links")
    compute()
    assert stored(connection) == count(WORLDS[1], minimum=2)
    redclust("precalc", "status", check=0)


def test_tables_that_an_operator_keeps_locked(
    connection: Connection, compute: Compute, locked_graph: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(swap, "_LOCK_LIMIT_S", 0.2)
    with pytest.raises(Locked, match=r"redclust test operator \(server process \d+\)"):
        compute()
    locked_graph.rollback()
    assert _states(connection) == ["failed"]
    compute()


def test_the_time_limit_of_the_settings_holds(
    connection: Connection, redclust: Redclust, locked_graph: Connection
) -> None:
    done = redclust("precalc", env={"DB_STATEMENT_TIMEOUT_MS": "300"}, check=11)
    assert "timeout exceeded" in done.stderr
    locked_graph.rollback()
    assert _states(connection) == ["failed"]


def _states(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT status FROM precalc_runs ORDER BY id")]


def _sessions(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'redclust precalc%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _waits(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND application_name LIKE 'redclust precalc%' AND datname = current_database()"
    ).fetchone()
    return row is not None and bool(row[0])
