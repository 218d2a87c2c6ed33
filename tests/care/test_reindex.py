"""reindex: each index is looked at afterwards, no wait is silent, and nothing is left of a try."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg
import pytest
from psycopg import sql
from rich.console import Console

from harness import Redclust, kill_group, rounds, wait_until
from redclust.config import Settings
from redclust.db import locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import DatabaseUnreachable, Locked, UsageError
from redclust.ops import integrity, reindex
from redclust.ops.reindex import IndexRebuild, ReindexReport, Request
from redclust.render import reindex as render
from redclust.report import Silent

Session = Callable[..., psycopg.Connection[tuple[object, ...]]]


class Listener(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(autouse=True)
def _rows(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO graph_nodes (id, name, val, type) "
        "SELECT 'user_' || n, 'name' || n, n, 'user' FROM generate_series(1, 20000) AS n"
    )
    connection.execute("DELETE FROM graph_nodes WHERE mod(val, 10) <> 0")
    connection.execute("VACUUM ANALYZE graph_nodes")


def run(database: Database, *names: str, **options: Any) -> ReindexReport:
    return reindex.reindex(database, Request(names, **options), Silent())


def one(report: ReindexReport, index: str) -> IndexRebuild:
    (found,) = (i for i in report.indexes if i.index == index)
    return found


def invalid(connection: Connection) -> set[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE NOT indisvalid"
    )
    return {str(name) for (name,) in rows}


@contextmanager
def cancelled(connection: Connection, session: Session, table: str) -> Generator[None]:
    """A concurrent rebuild of a table's indexes that waits for a snapshot and is cancelled there."""
    other = session("snapshot")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
    worker = session("reindex by hand", autocommit=True)

    def build() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            worker.execute(sql.SQL("REINDEX TABLE CONCURRENTLY {}").format(sql.Identifier(table)))

    thread = threading.Thread(target=build)
    thread.start()
    wait_until(lambda: waits(connection, worker.info.backend_pid), "it waits for the snapshot")
    try:
        yield
    finally:
        worker.cancel()
        thread.join()
        other.rollback()


def waits(connection: Connection, pid: int) -> bool:
    row = connection.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid]).fetchone()
    return row is not None and row[0] > 0


def test_a_table_an_index_and_all(database: Database, connection: Connection) -> None:
    report = run(database, "graph_nodes")
    assert report.ok
    names = {i.index for i in report.indexes if "toast" not in i.index}
    assert names == {
        "graph_nodes_pkey",
        "idx_graph_nodes_name",
        "idx_graph_nodes_type",
        "idx_graph_nodes_val",
    }
    assert {i.table for i in report.indexes} == {"graph_nodes"}
    for built in report.indexes:
        assert (built.state, built.checked) == ("done", "amcheck")
        assert (built.size_bytes_after or 0) <= (built.size_bytes_before or 0)
    assert (one(report, "idx_graph_nodes_name").size_bytes_after or 0) < 300_000
    assert [i.index for i in run(database, "idx_graph_nodes_type", "idx_graph_nodes_type").indexes] == [
        "idx_graph_nodes_type"
    ]
    every = run(database, everything=True, deep=True)
    assert every.ok
    assert {"posts_pkey", "graph_links_pkey"} <= {i.index for i in every.indexes}
    assert {i.checked for i in every.indexes} == {"amcheck, each row's entry"}
    assert invalid(connection) == set()


def test_what_to_reindex_must_be_said(database: Database, redclust: Redclust) -> None:
    with pytest.raises(UsageError, match="--all"):
        run(database)
    with pytest.raises(UsageError, match="no table or index nonsense"):
        run(database, "posts", "nonsense")
    assert "--all" in redclust("reindex", check=2, fresh=True).stderr


def test_no_name_is_broken_on_a_terminal_of_80_columns(database: Database) -> None:
    for dry_run in (True, False):
        report, out = run(database, "users", "user_subreddit_activity", dry_run=dry_run), StringIO()
        render.show(report, Console(file=out, width=80, force_terminal=True, color_system=None))
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= 80
        for one_index in report.indexes:
            (line,) = (told for told in lines if told.startswith(f"{one_index.index} "))
            assert re.search(r"\d (bytes|KiB)", line)
            assert (one_index.table in line.split()) == dry_run


def test_a_dry_run_changes_nothing(redclust: Redclust, connection: Connection) -> None:
    before = connection.execute("SELECT 'graph_nodes_pkey'::regclass::oid").fetchone()
    told = redclust("reindex", "graph_nodes", "--dry-run", check=0).stdout
    assert "graph_nodes_pkey" in told
    assert "Needs up to" in told
    assert "Nothing was done (--dry-run)" in told
    assert connection.execute("SELECT 'graph_nodes_pkey'::regclass::oid").fetchone() == before


def test_an_older_transaction_is_named_and_not_waited_for_for_ever(
    database: Database, connection: Connection, session: Session
) -> None:
    other = session("analyst")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM posts")
    listener = Listener()
    request = Request(("idx_graph_nodes_name",), wait_s=0.5)
    report = reindex.reindex(database, request, listener)
    (built,) = report.indexes
    assert (built.state, report.ok) == ("stopped", False)
    assert re.match(r"waited \d", built.reason)
    (holder,) = built.waited_for
    assert (holder.pid, holder.name) == (other.info.backend_pid, "analyst")
    assert any(said.startswith("waits for analyst (server process") for said in listener.said)
    other.rollback()
    # What could not be taken away while that transaction lasted is taken away by the next run.
    again = run(database, "idx_graph_nodes_name")
    assert again.ok
    assert invalid(connection) == set()


def test_it_goes_on_when_the_older_transaction_ends(
    database: Database, connection: Connection, session: Session
) -> None:
    other = session("analyst")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM posts")
    listener = Listener()
    ended = threading.Thread(
        target=lambda: (
            wait_until(lambda: bool(listener.said), "it said for whom it waits"),
            other.rollback(),
        )
    )
    ended.start()
    report = reindex.reindex(database, Request(("idx_graph_nodes_name",)), listener)
    ended.join()
    (built,) = report.indexes
    assert (built.state, [holder.name for holder in built.waited_for]) == ("done", ["analyst"])


def test_leftovers_of_dead_runs_go_and_a_running_one_s_stay(
    database: Database, connection: Connection, session: Session
) -> None:
    with cancelled(connection, session, "graph_nodes"):
        pass
    dead = invalid(connection)
    assert dead >= {"graph_nodes_pkey_ccnew", "idx_graph_nodes_name_ccnew"}
    assert any("toast" in name for name in dead)
    assert seen_by_check(database) == len(dead)
    planned = run(database, "graph_links", dry_run=True).leftovers
    assert {left.index.removeprefix("pg_toast."): left.state for left in planned} == dict.fromkeys(
        dead, "planned"
    )
    # While another one is being built, it is left alone; the dead ones go.
    with cancelled(connection, session, "users"):
        living = invalid(connection) - dead
        assert living
        report = run(database, "graph_links", wait_s=5)
        states = {left.index.removeprefix("pg_toast."): left.state for left in report.leftovers}
        assert {states[name] for name in living} == {"in use"}
        assert living <= invalid(connection)
    run(database, "graph_links")
    assert invalid(connection) == set()


def test_duplicates_fail_that_index_and_leave_nothing(database: Database, connection: Connection) -> None:
    connection.execute("DROP INDEX users_name_key")
    connection.execute("INSERT INTO users (name) VALUES ('twin'), ('Twin')")
    connection.execute("CREATE INDEX users_name_key ON users (lower(name))")
    connection.execute("UPDATE pg_index SET indisunique = true WHERE indexrelid = 'users_name_key'::regclass")
    report = run(database, "users")
    assert (one(report, "users_name_key").state, one(report, "users_pkey").state) == ("failed", "done")
    assert "twin" in one(report, "users_name_key").reason
    assert not report.ok
    assert invalid(connection) == set()


def test_an_index_that_somebody_s_create_left_invalid_becomes_valid(
    database: Database, connection: Connection
) -> None:
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_graph_nodes_val'::regclass"
    )
    assert one(run(database, "graph_nodes"), "idx_graph_nodes_val").state == "done"
    assert invalid(connection) == set()


def test_without_concurrently_it_gives_up_on_a_writer(
    database: Database, connection: Connection, session: Session
) -> None:
    assert run(database, "graph_nodes", concurrently=False).ok
    writer = session("writer")
    writer.execute("DELETE FROM graph_nodes WHERE id = 'user_10'")
    (built,) = run(database, "idx_graph_nodes_name", concurrently=False, wait_s=0).indexes
    assert (built.state, [holder.name for holder in built.waited_for]) == ("stopped", ["writer"])


def test_the_time_may_be_over_before_or_in_the_middle(
    database: Database, connection: Connection, session: Session
) -> None:
    assert {i.state for i in run(database, "graph_nodes", max_duration_s=0).indexes} == {"not started"}
    other = session("analyst")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM posts")
    report = run(database, "idx_graph_nodes_name", max_duration_s=0.5)
    assert ([i.state for i in report.indexes], report.ok) == (["stopped"], False)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"]
)
@pytest.mark.parametrize("round_", rounds(1, 10))
def test_a_run_that_is_ended_leaves_nothing_after_the_next(
    redclust: Redclust, connection: Connection, session: Session, number: signal.Signals, round_: int
) -> None:
    other = session("analyst")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM posts")
    process = redclust.start("reindex", "graph_nodes")
    wait_until(lambda: bool(invalid(connection)), "it builds")
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == {signal.SIGKILL: -9}.get(number, 128 + number)
    other.rollback()
    # A server does not notice that its client was killed before its statement has ended.
    wait_until(lambda: not builders(connection), "its statement has ended")
    redclust("reindex", "graph_links", check=0)
    assert invalid(connection) == set()


@pytest.mark.parametrize("seed", rounds(2, 10))
def test_killed_at_a_random_moment(
    database: Database, redclust: Redclust, connection: Connection, seed: int
) -> None:
    """No invalid index is left that a check does not see, and the next run takes all of them away."""
    process = redclust.start("reindex", "--all", "--deep")
    wait_until(lambda: _begun(connection), "it is at work")
    time.sleep(random.Random(seed).uniform(0, 1))
    kill_group(process)
    process.wait()
    wait_until(lambda: not _begun(connection), "its sessions have ended")
    left = invalid(connection)
    assert seen_by_check(database) == len(left)
    assert run(database, everything=True).ok
    assert invalid(connection) == set()
    assert integrity.check(database, Settings(), Silent(), types=frozenset({"indexes"}), deep=True).ok


def seen_by_check(database: Database) -> int:
    """How many invalid indexes `integrity check` finds."""
    report = integrity.check(database, Settings(), Silent(), types=frozenset({"indexes"}))
    (found,) = (one for one in report.checks if one.name == "index_invalid")
    assert found.state == ("found" if found.rows else "clean")
    return found.rows


def _begun(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'redclust reindex work' AND datname = current_database()"
    ).fetchone()
    return row is not None and row[0] > 0


def builders(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state = 'active' AND query ILIKE 'REINDEX%' AND datname = current_database()"
    ).fetchone()
    return row is not None and row[0] > 0


def test_alone_with_the_database(database: Database) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True), pytest.raises(Locked):
        run(database, "graph_nodes")


def test_the_owner_and_who_may_only_read(
    connection: Connection, make_role: Callable[..., str], acting_as: Callable[[str], Database]
) -> None:
    reader = make_role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
    with pytest.raises(DatabaseUnreachable, match="Permission denied"):
        run(acting_as(reader), "graph_nodes")
    connection.execute(sql.SQL("ALTER TABLE graph_nodes OWNER TO {}").format(sql.Identifier(reader)))
    report = run(acting_as(reader), "graph_nodes")
    assert report.ok
    assert one(report, "graph_nodes_pkey").checked == "it is valid"
    assert "superuser" in one(report, "graph_nodes_pkey").check_lacks
    (toast,) = (i for i in report.indexes if "toast" in i.index)
    assert (toast.state, toast.optional) == ("skipped", True)
    assert not run(acting_as(reader), everything=True).ok
