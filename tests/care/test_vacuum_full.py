"""vacuum --full: says what it does to others, and does not make readers wait for its lock."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from bloated import make

from harness import Redclust, wait_until
from redclust.db import disk, locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.patience import QUEUE_MS
from redclust.db.session import Database
from redclust.errors import Locked
from redclust.ops import vacuum
from redclust.ops.vacuum import TableVacuum, VacuumReport
from redclust.report import Silent

Session = Callable[..., psycopg.Connection[tuple[object, ...]]]


@pytest.fixture(autouse=True)
def _bloat(connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)


def one(report: VacuumReport, table: str) -> TableVacuum:
    (found,) = (t for t in report.tables if t.table == table)
    return found


def run(database: Database, *names: str, wait_s: float = 20, **options: float) -> VacuumReport:
    return vacuum.full(database, names, Silent(), wait_s=wait_s, **options)


def test_space_is_given_back(database: Database, connection: Connection) -> None:
    report = run(database)
    much = one(report, "much")
    assert report.ok
    assert (much.state, much.dead_rows_after) == ("done", 0)
    assert (much.size_bytes_after or 0) < (much.size_bytes_before or 0) / 2
    row = connection.execute("SELECT pg_total_relation_size('much')").fetchone()
    assert row == (much.size_bytes_after,)
    assert not any(t.catalog for t in report.tables)
    sizes = [t.size_bytes_before or 0 for t in report.tables]
    assert sizes[-1] == max(sizes), "the smallest first"


def test_the_plan_says_what_is_locked_needed_and_who_is_there(
    redclust: Redclust, database: Database, connection: Connection, session: Session
) -> None:
    session("analyst").execute("SELECT count(*) FROM much")
    plan = vacuum.plan(database, ("much",))
    much = one(plan, "much")
    assert much.full is not None
    assert 0 < (much.full.needed_bytes or 0) < (much.size_bytes_before or 0), "more than half is bloat"
    assert [holder.name for holder in much.full.connected] == ["analyst"]
    assert "analyst" in {holder.name for holder in plan.connected}
    told = redclust("vacuum", "--full", "much", "--dry-run", check=0).stdout
    assert "analyst (server process" in told
    assert re.search(r"keeps everybody out of 1 tables, one at a time, for about \S+ in all \(a guess", told)
    assert "Nothing was done (--dry-run)" in told


def test_it_is_not_done_without_the_name_of_the_database(
    redclust: Redclust, database: Database, connection: Connection
) -> None:
    name = database.name()
    refused = redclust("vacuum", "--full", "much", check=17)
    assert f"this needs --confirm {name}" in refused.stderr
    assert redclust("vacuum", "--full", "much", "--confirm", "other", check=17).stdout == ""
    assert redclust("vacuum", "--full", "--dry-run", check=0)
    before = connection.execute("SELECT pg_relation_filenode('much')").fetchone()
    document = json.loads(
        redclust("vacuum", "--full", "much", "--confirm", name, "--format", "json", check=0).stdout
    )
    assert (document["full"], document["tables"][0]["state"]) == (True, "done")
    assert connection.execute("SELECT pg_relation_filenode('much')").fetchone() != before


@contextmanager
def readers(database: Database, table: str, count: int) -> Generator[list[psycopg.Error]]:
    """Sessions that read all the time, each in transactions of a moment; no read may wait for long."""
    failed: list[psycopg.Error] = []
    over = threading.Event()

    def read(held_s: float) -> None:
        with psycopg.connect(database.target.conninfo) as own:
            # A server that is busy may be slow to notice; a reader in a queue waits for as long as it is.
            own.execute("SELECT set_config('lock_timeout', %s::text, false)", [QUEUE_MS + 1500])
            own.commit()
            while not over.is_set():
                try:
                    own.execute(f"SELECT count(*) FROM {table}")  # type: ignore[arg-type]
                    over.wait(held_s)
                    own.commit()
                except psycopg.Error as error:
                    failed.append(error)
                    return

    threads = [threading.Thread(target=read, args=(0.4 + 0.2 * n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_readers_wait_for_its_lock_no_longer_than_it_queues(
    database: Database, connection: Connection
) -> None:
    """Readers whose transactions overlap never leave a gap, so it has to queue; none of them waits long."""
    with readers(database, "much", 4) as failed:
        reports = [run(database, "much", wait_s=10) for _ in range(3)]
    assert failed == []
    assert {one(report, "much").state for report in reports} == {"done"}


def test_behind_an_old_transaction_it_does_not_queue_at_all(
    database: Database, connection: Connection, session: Session
) -> None:
    other = session("analyst")
    other.execute("SELECT count(*) FROM much")
    queued: list[object] = []
    made: list[VacuumReport] = []
    wait_until(lambda: age_s(connection, other.info.backend_pid) * 1000 > QUEUE_MS, "it is old")
    worker = threading.Thread(target=lambda: made.append(run(database, "much", wait_s=1.5)))
    worker.start()
    while worker.is_alive():
        queued += connection.execute("SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
    worker.join()
    assert queued == []
    much = one(made[0], "much")
    assert (much.state, [holder.name for holder in much.in_the_way]) == ("skipped", ["analyst"])
    other.rollback()
    assert run(database, "much").ok


def age_s(connection: Connection, pid: int) -> float:
    row = connection.execute(
        "SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 "
        "FROM pg_stat_activity WHERE pid = %s",
        [pid],
    ).fetchone()
    return row[0] if row else 0.0


def test_a_table_that_does_not_fit_on_the_disk_is_not_begun(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda connection, target: 100_000)
    report = run(database)
    much = one(report, "much")
    assert (much.state, much.dead_rows_after) == ("not started", None)
    assert re.search(r"needs about \d+ bytes of disk, 100000 are free", much.reason)
    assert {t.state for t in report.tables if t.table != "much"} == {"done"}
    assert not report.ok


def test_free_space_is_seen_only_where_the_server_is_on_this_machine(
    database: Database, connection: Connection
) -> None:
    free = disk.free_bytes(connection, database.target)
    assert free is not None
    assert 0 < free < 2**60
    directory = disk.data_directory(connection, database.target)
    assert directory is not None
    assert (Path(directory) / "PG_VERSION").exists()


def test_time_is_kept_table_by_table(database: Database, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO run_history (verb, started_at, verdict, figures) "
        "VALUES ('vacuum.full', now(), 'ok', '{\"bytes_per_s\": 1000}')"
    )
    report = run(database, max_duration_s=60)
    much = one(report, "much")
    assert much.state == "not started"
    assert re.search(r"takes about \d+s, \d+s of --max-duration are left", much.reason)
    assert {t.state for t in run(database, max_duration_s=0).tables} == {"not started"}


def test_alone_with_the_database(database: Database) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True), pytest.raises(Locked):
        run(database)
