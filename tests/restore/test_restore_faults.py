"""Kills, full disks, restarts in the middle: the live database is untouched, the next run clears up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from restore_world import Place, damage, fill, hashes

from harness import (
    Redclust,
    dispose,
    kill_server,
    maintenance,
    open_directory,
    own_server,
    rounds,
    settings_for,
    small_file_system,
    wait_until,
)
from redclust.db import databases, schema
from redclust.db.connect import Connector
from redclust.db.databases import Purpose
from redclust.db.session import Database
from redclust.errors import Refused
from redclust.ops.backup import manifest
from redclust.ops.restore.exchange import Exchange, exchange


def swapping(place: Place) -> subprocess.Popen[str]:
    return place.start("restore", "--swap", "--confirm", place.name)


def copies(place: Place) -> list[str]:
    return [name for name in place.others() if f"{place.name}_{Purpose.RESTORE}_" in name]


def await_copy(place: Place, process: subprocess.Popen[str]) -> None:
    """Wait until the restore makes its copy; one that ended before says why."""

    def making() -> bool:
        assert process.poll() is None, process.communicate()[1]
        return bool(copies(place))

    wait_until(making, "the copy is being made")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def durations_s() -> list[float]:
    """How long an undisturbed restore has taken."""
    return []


@pytest.mark.parametrize("seed", rounds(2, 30))
def test_a_killed_restore_leaves_the_old_or_the_new_and_the_next_run_clears_up(
    place: Place, seed: int, durations_s: list[float]
) -> None:
    rng = random.Random(seed)
    name = place.backup()
    good = hashes(place.target)
    damage(place.database)
    damaged = hashes(place.target)
    if not durations_s:
        started_s = time.monotonic()
        swapping(place).communicate()
        durations_s.append(time.monotonic() - started_s)
        place.undo()
    process = swapping(place)
    time.sleep(rng.uniform(0.1, 1) * durations_s[0])
    process.kill()
    process.communicate()
    found = hashes(place.target)
    assert found in (damaged, good)
    if found == good:  # it came to its end, or was killed after the exchange
        place.undo()
    assert hashes(place.target) == damaged
    # Whatever a child of the dead one still does to its copy is in nobody's way.
    report = place.restore(name, swap=True)
    assert hashes(place.target) == good
    assert copies(place) == []
    assert place.ask("SELECT count(*) FROM crawl_pauses") == 0
    assert place.ask("SELECT count(*) FROM crawl_pauses", report.kept) <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interrupted_restore_leaves_nothing(place: Place, number: signal.Signals) -> None:
    place.backup()
    before = hashes(place.target)
    process = swapping(place)
    await_copy(place, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert hashes(place.target) == before
    assert place.others() == []
    assert place.ask("SELECT count(*) FROM crawl_pauses") == 0


def test_a_killed_pg_restore_is_no_restore(place: Place) -> None:
    place.backup()
    before = hashes(place.target)
    process = swapping(place)
    killed: list[int] = []

    def kill() -> bool:
        killed.extend(pid for pid in children(process.pid) if program(pid) == "pg_restore")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        return bool(killed) or process.poll() is not None

    wait_until(kill, "pg_restore runs")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, bool(killed)) == (14, True), err
    assert "pg_restore was ended by SIGKILL" in err
    assert hashes(place.target) == before
    assert place.others() == []


def test_a_second_restore_is_told_of_the_first(place: Place) -> None:
    place.backup()
    first = swapping(place)
    await_copy(place, first)
    first.send_signal(signal.SIGSTOP)
    done = place.run("restore", "--swap", "--confirm", place.name, check=13)
    assert (
        f"the database {place.name} is locked by another run: redclust restore (server process" in done.stderr
    )
    assert len(copies(place)) == 1
    # A backup waits for it, and goes on in the database that is live then.
    waiting = place.start("backup", "now", "--lock-wait", "5m")
    wait_until(lambda: waits_for_lock(place), "the backup waits")
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=60) == 0
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert "Backup completed" in out


def waits_for_lock(place: Place) -> bool:
    return place.ask(
        "SELECT count(*) > 0 FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'redclust backup%lock'"
    )


def test_who_comes_in_at_the_last_moment_stops_the_exchange(place: Place) -> None:
    server = databases.maintenance(place.database.connector)
    before = hashes(place.target)
    incoming, kept = f"{place.name}_new", f"{place.name}_before"
    with maintenance(place.target) as connection:
        connection.execute(f"CREATE DATABASE {incoming}")  # type: ignore[arg-type]
    with (
        psycopg.connect(place.target.conninfo, application_name="analyst"),
        pytest.raises(Refused, match="is in use by analyst"),
    ):
        exchange(server, Exchange(place.name, incoming, kept), may_end=lambda one: False)
    with (
        psycopg.connect(place.target.on(incoming).conninfo, application_name="analyst"),
        pytest.raises(Refused, match=f"{incoming} is in use by analyst"),
    ):
        exchange(server, Exchange(place.name, incoming, kept), may_end=lambda one: False)
    assert place.others() == [incoming]
    assert hashes(place.target) == before
    # Nobody waits for a name any more.
    with psycopg.connect(place.target.conninfo) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_clients_that_come_and_go_never_fall_back(place: Place) -> None:
    """Each new session finds the database that is live, and after an exchange never the old one again."""
    server = databases.maintenance(place.database.connector)
    stop = threading.Event()
    seen: list[list[int]] = [[] for _ in range(4)]

    def client(found: list[int]) -> None:
        while not stop.is_set():
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(place.target.conninfo, autocommit=True) as session,
            ):
                row = session.execute(
                    "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
                ).fetchone()
                if row is not None and found[-1:] != [row[0]]:
                    found.append(row[0])

    threads = [threading.Thread(target=client, args=(found,)) for found in seen]
    oids: list[int] = [place.ask("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            wait_until(lambda: all(oids[-1] in found for found in seen), "each client is in the live one")
            with databases.copy(server, place.name, Purpose.RESTORE) as copy:
                with server.connect(autocommit=True) as connection:
                    databases.create(connection, copy, None)
                    oids.append(databases.oid(connection, copy) or 0)
                names = Exchange(place.name, copy, f"{place.name}_old_{number}")
                exchange(server, names, may_end=lambda one: True)
        wait_until(lambda: all(oids[-1] in found for found in seen), "each client is in the last one")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen == [oids] * 4


@pytest.fixture
def make_place(redclust: Redclust, bin_dir: Path | None, tmp_path: Path) -> Iterator[Callable[[Path], Place]]:
    """A filled embedded database in a home of its own, whose server may be killed."""
    homes: list[Path] = []
    stack: list[object] = []

    def make(home: Path) -> Place:
        own = own_server(home, bin_dir)
        using = own.in_use()
        target = using.__enter__()
        homes.append(home)
        stack.append(using)
        database = Database(Connector(target, settings_for(bin_dir).database, "test"))
        schema.migrate(database.connector)
        fill(database)
        return Place(database, redclust, tmp_path / "backups", home, embedded=True)

    yield make
    for home in homes:
        dispose(home)


def test_a_server_that_is_killed_in_the_middle(
    make_place: Callable[[Path], Place], home: Path, bin_dir: Path | None
) -> None:
    place = make_place(home)
    place.backup()
    damage(place.database)
    damaged = hashes(place.target)
    process = swapping(place)
    await_copy(place, process)
    kill_server(home)
    _, err = process.communicate(timeout=120)
    assert process.returncode in (11, 14), err
    assert "Traceback" not in err
    with own_server(home, bin_dir).in_use():
        assert hashes(place.target) == damaged
        assert len(copies(place)) == 1
        place.restore(swap=True)
        assert copies(place) == []
        assert place.ask("SELECT count(*) FROM comments") == 8000
        assert place.ask("SELECT count(*) FROM crawl_pauses") == 0


@pytest.fixture
def small_disk(work_dir: Path) -> Iterator[Path]:
    """160 MB, in a directory that the server's account may pass through."""
    with small_file_system(open_directory(work_dir), 160 << 20) as directory:
        yield directory


def test_a_full_disk_in_the_middle(
    small_disk: Path, make_place: Callable[[Path], Place], bin_dir: Path | None
) -> None:
    place = make_place(small_disk / "home")
    name = place.backup()
    before = hashes(place.target)
    # It seems to fit, so that it begins; and then the disk has less than it takes.
    file = place.directory / name / manifest.FILE
    made = manifest.decode(file.read_bytes(), name)
    file.write_bytes(manifest.encode(replace(made, database=replace(made.database, size_bytes=1))))
    with maintenance(place.target) as connection:
        connection.execute("CHECKPOINT")  # no log is left that would give room on the way
    free = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - (5 << 20)))
    process = swapping(place)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0, err
    assert "Traceback" not in err
    ballast.unlink()
    with own_server(small_disk / "home", bin_dir).in_use():
        assert hashes(place.target) == before
        # The disk was to blame, not the backup.
        place.restore(name, swap=True)
        assert copies(place) == []


def test_too_little_space_is_told_before_anything_happens(
    small_disk: Path, make_place: Callable[[Path], Place]
) -> None:
    place = make_place(small_disk / "home")
    place.backup()
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - (8 << 20)))
    with pytest.raises(
        Refused, match=r"not enough space for the server's data: \d+ bytes are needed, \d+ are"
    ):
        place.restore(swap=True)
    assert place.others() == []
