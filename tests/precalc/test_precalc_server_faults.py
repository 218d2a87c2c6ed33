"""The server is killed, or its disk is full, in the middle: the old graph stays, and the next run works."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from graph_readers import Graph, look
from precalc_worlds import clear, count, load, planted, stored

from harness import (
    Redclust,
    kill_server,
    open_directory,
    own_server,
    rounds,
    settings_for,
    small_file_system,
    wait_until,
)
from redclust.config import PrecalcSettings
from redclust.db import session
from redclust.db.connect import Connection
from redclust.ops import precalc
from redclust.report import Silent

WORLDS = (planted(5, 12, 900, seed=1), planted(4, 12, 700, seed=2))
#: Temporary tables, of whatever session.
LEFT = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"


@pytest.fixture
def small_disk(work_dir: Path) -> Iterator[Path]:
    """200 MB."""
    with small_file_system(open_directory(work_dir), 200 << 20) as directory:
        yield directory


class Place:
    """A home with a server of its own, which every look at it starts where it is down."""

    def __init__(self, home: Path, bin_dir: Path | None) -> None:
        self.home, self.bin_dir = home, bin_dir

    def with_connection(self, work: Callable[[Connection], None]) -> None:
        with (
            session.embedded_database(self.home, settings_for(self.bin_dir).database, "test") as database,
            database.connect(bulk=True, autocommit=True) as connection,
        ):
            work(connection)

    def put(self, number: int) -> None:
        def replace(connection: Connection) -> None:
            with connection.transaction():
                clear(connection)
                load(connection, WORLDS[number % 2])

        self.with_connection(replace)

    def compute(self) -> float:
        with session.embedded_database(self.home, settings_for(self.bin_dir).database, "test") as database:
            return precalc.run(database, PrecalcSettings(), Silent()).duration_s

    def seen(self) -> tuple[Graph, str]:
        """The graph, and how the newest run ended."""
        found: list[tuple[Graph, str]] = []

        def read(connection: Connection) -> None:
            row = connection.execute("SELECT status FROM precalc_runs ORDER BY id DESC LIMIT 1").fetchone()
            assert row is not None
            found.append((look(connection), str(row[0])))

        self.with_connection(read)
        return found[0]

    def assert_whole(self, number: int) -> None:
        def read(connection: Connection) -> None:
            assert stored(connection) == count(WORLDS[number % 2], minimum=2)
            running = connection.execute("SELECT count(*) FROM precalc_runs WHERE status = 'running'")
            assert running.fetchone() == (0,)

        self.with_connection(read)

    def assert_tidy(self) -> None:
        """Sessions drop their tables after the client has gone; a dead server's go by autovacuum."""

        def read(connection: Connection) -> None:
            wait_until(lambda: connection.execute(LEFT).fetchone() == (0,), "no temporary table is left")

        self.with_connection(read)


def checkpoint(connection: Connection) -> None:
    connection.execute("CHECKPOINT")


def vacuum_at_once(connection: Connection) -> None:
    """Autovacuum, which drops temporary tables that a dead server left, looks every second."""
    connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    connection.execute("SELECT pg_reload_conf()")


def test_a_server_that_is_killed_in_the_middle(home: Path, bin_dir: Path | None, redclust: Redclust) -> None:
    rng = random.Random()
    place = Place(home, bin_dir)
    with own_server(home, bin_dir).in_use():
        place.with_connection(vacuum_at_once)
        place.put(0)
        duration_s = place.compute()
    for number in range(1, 1 + len(rounds(2, 20))):
        with own_server(home, bin_dir).in_use():
            place.put(number)
            before, _ = place.seen()
            process = redclust.start("precalc", home=home)
            time.sleep(0.5 + rng.uniform(0, duration_s))
            kill_server(home)
            _, err = process.communicate(timeout=120)
        assert process.returncode in (0, 11), err
        assert "Traceback" not in err
        with own_server(home, bin_dir).in_use():
            after, status = place.seen()
            # It came to its end, and says so; or nothing of it is seen.
            if after != before:
                assert status == "completed"
                place.assert_whole(number)
            else:
                assert process.returncode == 11, err
            place.compute()
            place.assert_whole(number)
            place.assert_tidy()


def test_a_full_disk_in_the_middle(
    small_disk: Path, make_home: Callable[..., Path], bin_dir: Path | None, redclust: Redclust
) -> None:
    place = Place(make_home("home", small_disk), bin_dir)
    with own_server(place.home, bin_dir).in_use():
        place.put(0)
        place.compute()
        place.put(1)
        place.with_connection(checkpoint)
        before, _ = place.seen()
        ballast = small_disk / "ballast"
        failed = 0
        for spare_bytes in (0, *((n * 256 * 1024) for n in range(1, 1 + len(rounds(2, 20))))):
            free = os.statvfs(small_disk)
            ballast.write_bytes(bytes(max(free.f_bavail * free.f_frsize - spare_bytes, 0)))
            process = redclust.start("precalc", home=place.home)
            _, err = process.communicate(timeout=120)
            ballast.unlink()
            assert "Traceback" not in err
            after, status = place.seen()
            if process.returncode == 0:
                assert status == "completed"
                place.put(0)
                place.compute()
                place.put(1)
                before, _ = place.seen()
                continue
            failed += 1
            assert process.returncode == 11, err
            assert status != "completed"
            assert after == before
        assert failed
        place.compute()
        place.assert_whole(1)
        place.with_connection(vacuum_at_once)  # a server without room for its log ends, too
        place.assert_tidy()
