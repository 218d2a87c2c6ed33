"""The one lock domain: modes, waiting, who holds it since when; the lock of a directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import IS_ROOT, Redclust, wait_until
from redclust.db import locks
from redclust.db.connect import Connector
from redclust.db.filelock import hold_directory
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import Locked


def named(database: Database, verb: str) -> Connector:
    return Connector(database.target, database.connector.settings, verb)


def test_a_backup_and_the_swap_of_a_precalc_share_the_lock(redclust: Redclust, database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO subreddits (name) VALUES ('one')")
        connection.execute("INSERT INTO users (name) VALUES ('somebody')")
        connection.execute(
            "INSERT INTO posts (id, subreddit_id, author_id, title, created_at) "
            "SELECT n, s.id, u.id, 'title', now() FROM subreddits s, users u, generate_series(1, 3) n"
        )
    with locks.hold(named(database, "backup"), LockName.OPERATIONS, shared=True):
        redclust("precalc", check=0)


def test_a_migration_waits_for_a_backup_as_long_as_it_is_told(redclust: Redclust, database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM redclust_migrations")  # all pending, and the first one fails
    with locks.hold(named(database, "backup"), LockName.OPERATIONS, shared=True):
        done = redclust("db", "migrate", "--lock-wait", "0", check=13)
        told = r"the database is locked by another run: redclust backup \(server process \d+\), since \d{4}-"
        assert re.search(told, done.stderr), done.stderr
        process = redclust.start("db", "migrate", "--lock-wait", "1m")
        wait_until(lambda: waiting(database) == 1, "the migration waits")
    out, err = process.communicate(timeout=30)
    assert "already exists" in err, out


def waiting(database: Database) -> int:
    with database.connect(autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'redclust migrate lock'"
        ).fetchone()
    return int(row[0]) if row else 0


def test_a_duration_that_is_none_is_a_usage_error(redclust: Redclust) -> None:
    done = redclust("db", "migrate", "--lock-wait", "soon", check=2)
    assert "'soon' is not a length of time such as 45s, 30m, 26h, 1h30m or 7d" in " ".join(
        done.stderr.replace("│", " ").split()
    )


def test_since_is_when_the_lock_was_got_and_not_when_the_waiting_began(database: Database) -> None:
    """Who waits for half an hour has not held it for half an hour."""
    told: list[str] = []
    with ExitStack() as first:
        first.enter_context(locks.hold(named(database, "backup"), LockName.OPERATIONS))
        got = threading.Event()
        done = threading.Event()

        def second() -> None:
            with locks.hold(
                named(database, "maintenance"), LockName.OPERATIONS, wait_s=30, on_wait=told.append
            ):
                got.set()
                done.wait(30)

        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: bool(told), "the second one waits")
        time.sleep(1.1)
        before = datetime.now(UTC).replace(microsecond=0)
        first.close()
        assert got.wait(30)
    try:
        with database.connect(autocommit=True) as connection:
            words = locks.holder(connection, LockName.OPERATIONS) or ""
    finally:
        done.set()
        thread.join()
    assert told[0].startswith("waits for redclust backup (server process ")
    match = re.fullmatch(r"redclust maintenance \(server process \d+\), since (.*) UTC", words)
    assert match, words
    assert datetime.fromisoformat(match[1]).replace(tzinfo=UTC) >= before


def test_one_that_waits_for_exclusiveness_holds_no_sharer_up(database: Database) -> None:
    told: list[str] = []
    with locks.hold(named(database, "backup"), LockName.OPERATIONS, shared=True):

        def restore() -> None:
            wait = {"wait_s": 30.0, "on_wait": told.append}
            with locks.hold(named(database, "restore"), LockName.OPERATIONS, **wait):  # pyright: ignore[reportArgumentType]
                pass

        thread = threading.Thread(target=restore)
        thread.start()
        wait_until(lambda: bool(told), "the restore waits")
        with locks.hold(named(database, "precalc"), LockName.OPERATIONS, shared=True):
            pass
    thread.join()


HOLD = (
    "import sys, time; from pathlib import Path; from redclust.db.filelock import hold_directory\n"
    "with hold_directory(Path(sys.argv[1]), shared=sys.argv[2] == 'shared'):\n"
    "    print('held', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def holds(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], subprocess.Popen[str]]:
    """Another process that holds the directory's lock."""

    def start(mode: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", HOLD, str(tmp_path), mode]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        request.addfinalizer(lambda: (process.kill(), process.communicate()))
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    return start


def test_a_directory_has_one_writer_or_many_readers(
    tmp_path: Path, holds: Callable[[str], subprocess.Popen[str]]
) -> None:
    reader = holds("shared")
    with hold_directory(tmp_path, shared=True):
        pass
    with pytest.raises(Locked, match=rf"\(process {reader.pid}\), begun \d{{4}}-"), hold_directory(tmp_path):
        pass
    os.kill(reader.pid, signal.SIGKILL)
    told: list[str] = []
    with hold_directory(tmp_path, wait_s=10, on_wait=told.append):
        pass  # a killed one gives it back
    writer = holds("alone")
    with (
        pytest.raises(Locked, match=rf"{tmp_path} is locked .*\(process {writer.pid}\), since \d{{4}}-"),
        hold_directory(tmp_path, shared=True),
    ):
        pass


@pytest.mark.skipif(not IS_ROOT, reason="only root can give its rights up")
def test_a_reader_without_rights_needs_no_lock_file(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o711)
    tmp_path.chmod(0o755)
    program = (
        "import os, sys; from pathlib import Path; from redclust.db.filelock import hold_directory\n"
        "os.setuid(65534)\n"
        "with hold_directory(Path(sys.argv[1]), shared=True):\n    print('held')\n"
        "hold_directory(Path(sys.argv[1])).__enter__()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "held\n", done.stderr
    assert "PermissionError" in done.stderr
    assert not list(tmp_path.iterdir())
