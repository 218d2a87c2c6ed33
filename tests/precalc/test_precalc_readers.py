"""What others see while the graph is exchanged: the whole old one or the whole new one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from graph_readers import Part, Poller, copied, dumped, look, slow_dump
from precalc_worlds import Compute, planted

from harness import Redclust, rounds, wait_until
from redclust import pgtools
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops.precalc import swap

RC, RR = psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ
WORLDS = (planted(5, 12, 900, seed=1), planted(4, 12, 700, seed=2))
READERS: tuple[tuple[psycopg.IsolationLevel, tuple[Part, Part]], ...] = (
    (RC, ("nodes", "links")),
    (RC, ("links", "nodes")),
    (RR, ("nodes", "links")),
)
#: What a reader may wait for at most, for all of its two looks; promised are 2 s.
LONGEST_S = 2.0


@pytest.fixture
def tools(bin_dir: Path | None) -> pgtools.Tools:
    return pgtools.find_tools(bin_dir)


@pytest.mark.parametrize("number", rounds(1, 3))
def test_a_swap_with_readers_and_a_dump_in_the_way(
    database: Database,
    connection: Connection,
    put: Callable[..., None],
    redclust: Redclust,
    tools: pgtools.Tools,
    number: int,
) -> None:
    """The dump has its snapshot and its locks before the swap, and goes on reading after it."""
    put(WORLDS[number % 2])
    redclust("precalc", check=0)
    before = look(connection)
    put(WORLDS[(number + 1) % 2])
    old = {table: copied(connection, table) for table in ("graph_nodes", "graph_links")}
    with ExitStack() as stack:
        dump = stack.enter_context(slow_dump(database, tools))
        pollers = [stack.enter_context(Poller(database, level, order).at_work()) for level, order in READERS]
        done = redclust("precalc", "--format", "json", check=0)
        after = look(connection)
        for poller in pollers:
            wait_until(lambda poller=poller: after in poller.seen, "the poller sees the new graph")
        found = dumped(dump)
    assert json.loads(done.stdout)["figures"]["swap_exclusive"]
    assert (found["graph_nodes"], found["graph_links"]) == (old["graph_nodes"], old["graph_links"])
    assert before != after
    for poller in pollers:
        assert poller.error is None
        assert set(poller.seen) == {before, after}
        assert poller.longest_s < LONGEST_S


def test_a_dump_with_an_older_snapshot_begun_after_the_swap(
    database: Database,
    connection: Connection,
    put: Callable[..., None],
    compute: Compute,
    tools: pgtools.Tools,
) -> None:
    put(WORLDS[0])
    compute()
    old = copied(connection, "graph_nodes"), copied(connection, "graph_links")
    with database.connect() as holder:
        holder.isolation_level = RR
        row = holder.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        put(WORLDS[1])
        compute(clear=True)
        with slow_dump(database, tools, f"--snapshot={row[0]}") as dump:
            found = dumped(dump)
    assert (found["graph_nodes"], found["graph_links"]) == old
    assert copied(connection, "graph_nodes") != old[0]


@pytest.mark.parametrize("clear", [False, True])
def test_a_repeatable_reader_keeps_its_graph_and_keeps_nobody_waiting(
    database: Database,
    connection: Connection,
    put: Callable[..., None],
    compute: Compute,
    monkeypatch: pytest.MonkeyPatch,
    clear: bool,
) -> None:
    monkeypatch.setattr(swap, "_READERS_LIMIT_S", 0.6)
    put(WORLDS[0])
    compute()
    with database.connect() as reader:
        reader.isolation_level = RR
        before = reader.execute("SELECT count(*), sum(val) FROM graph_nodes").fetchone()
        put(WORLDS[1])
        report = compute(clear=clear)
        assert report.figures.swap_exclusive
        assert reader.execute("SELECT count(*), sum(val) FROM graph_nodes").fetchone() == before
        dangling = (
            "SELECT count(*) FROM graph_links WHERE source NOT IN (SELECT id FROM graph_nodes) "
            "OR target NOT IN (SELECT id FROM graph_nodes)"
        )
        assert reader.execute(dangling).fetchone() == (0,)


def test_one_between_two_looks_is_waited_for(
    database: Database, connection: Connection, put: Callable[..., None], redclust: Redclust
) -> None:
    put(WORLDS[0])
    redclust("precalc", check=0)
    old = look(connection)
    with database.connect() as reader:
        nodes = reader.execute("SELECT count(*) FROM graph_nodes").fetchone()
        put(WORLDS[1])
        process = redclust.start("precalc")
        wait_until(lambda: _is_swapping(connection), "the swap has begun")
        time.sleep(0.5)
        assert look(connection) == old
        links = reader.execute("SELECT count(*) FROM graph_links").fetchone()
    assert process.wait(30) == 0
    assert (nodes, links) == ((old[0],), (old[2],))
    assert look(connection) != old


def test_one_who_stays_between_two_looks_is_named(
    database: Database,
    connection: Connection,
    put: Callable[..., None],
    compute: Compute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(swap, "_READERS_LIMIT_S", 0.3)
    put(WORLDS[0])
    compute()
    with database.connect(role="lunch") as reader:
        reader.execute("SELECT count(*) FROM graph_nodes")
        put(WORLDS[1])
        report = compute()
        assert not report.figures.swap_exclusive
        assert "redclust test lunch" in report.figures.swap_passed_by[0]
    # The doors are open again.
    connection.execute("SET statement_timeout = '1s'")
    look(connection)


def _is_swapping(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE relation = 'graph_links'::regclass "
        "AND mode = 'ShareRowExclusiveLock' AND granted"
    ).fetchone()
    return row == (1,)
