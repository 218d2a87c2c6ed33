"""Incidents that were staged: idle sessions, a chain of blockers, a long query, a forgotten transaction."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from harness import Redclust, ask, dispose, own_server, settings_for, wait_until
from redclust.config import load
from redclust.db import locks as advisory
from redclust.db.connect import Connector
from redclust.db.layout import Layout
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import DatabaseUnreachable, Refused, UsageError
from redclust.ops import db, reindex, vacuum
from redclust.ops.db import Waiting
from redclust.ops.db.activity import without_passwords
from redclust.ops.db.log import follow
from redclust.report import Silent

Session = psycopg.Connection[tuple[object, ...]]
Open = Callable[..., Session]


@pytest.fixture(scope="module")
def cluster(work_dir: Path, bin_dir: Path | None) -> Iterator[Path]:
    """A home of its own, kept running: incidents are about a whole server. It takes prepared transactions."""
    home = work_dir / "incidents"
    own = own_server(home, bin_dir)
    try:
        with own.in_use() as target, psycopg.connect(target.conninfo, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_prepared_transactions = 5")
            connection.execute("CREATE TABLE things (id integer PRIMARY KEY, n integer)")
            connection.execute("INSERT INTO things VALUES (1, 0), (2, 0)")
        own.stop()
        with own.in_use():
            own.keep()
            yield home
    finally:
        dispose(home)


@pytest.fixture
def target(cluster: Path, bin_dir: Path | None) -> Target:
    return own_server(cluster, bin_dir).target()


@pytest.fixture
def connector(target: Target, bin_dir: Path | None) -> Connector:
    return Connector(target, settings_for(bin_dir).database, "test")


@pytest.fixture
def look(target: Target) -> Iterator[Session]:
    with psycopg.connect(target.conninfo, autocommit=True, application_name="redclust test look") as one:
        yield one


@pytest.fixture
def client(target: Target, look: Session) -> Iterator[Open]:
    """``client("app")``: somebody's session; all are gone before the next test begins."""
    opened: list[Session] = []

    def make(name: str, *, autocommit: bool = False, role: str = "") -> Session:
        options = f"-c role={role}" if role else ""
        conninfo = make_conninfo(target.conninfo, options=options)
        opened.append(psycopg.connect(conninfo, application_name=name, autocommit=autocommit))
        return opened[-1]

    yield make
    pids = [one.info.backend_pid for one in opened]
    for one in opened:
        one.close()
    wait_until(lambda: not alive(look, pids), "the sessions are gone")


def alive(look: Session, pids: list[int]) -> bool:
    row = look.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)", [pids]).fetchone()
    return row is not None and row[0] != 0


@pytest.fixture
def background(look: Session) -> Iterator[Callable[[Session, str], None]]:
    """``background(session, statement)``: run it in a thread until it waits for a lock or runs."""
    threads: list[tuple[threading.Thread, Session]] = []

    def run(one: Session, statement: str) -> None:
        def work() -> None:
            try:
                one.execute(statement)  # type: ignore[arg-type]
            except psycopg.Error:
                return

        thread = threading.Thread(target=work)
        threads.append((thread, one))
        thread.start()
        pid = one.info.backend_pid
        wait_until(lambda: state(look, pid) == "active", f"{statement} runs")

    yield run
    for thread, one in reversed(threads):
        one.cancel()
        thread.join()


def state(look: Session, pid: int) -> object:
    row = look.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return row[0] if row else None


def chain(one: Waiting) -> list[str]:
    names = [one.name]
    while one.blocks:
        (one,) = one.blocks
        names.append(one.name)
    return names


def test_a_chain_of_three_is_a_tree(
    redclust: Redclust, cluster: Path, connector: Connector, client: Open, background: Callable[..., None]
) -> None:
    first, second, third = (client(name) for name in ("holder", "middle", "last"))
    first.execute("UPDATE things SET n = 1 WHERE id = 1")
    second.execute("UPDATE things SET n = 1 WHERE id = 2")
    background(second, "UPDATE things SET n = 2 WHERE id = 1")
    background(third, "UPDATE things SET n = 2 WHERE id = 2")
    wait_until(lambda: db.activity(connector, longer_than_s=2).waiting == 2, "both wait")
    report = db.activity(connector, longer_than_s=0)
    (top,) = report.blockers
    assert chain(top) == ["holder", "middle", "last"]
    assert (top.pid, top.state) == (first.info.backend_pid, "idle in transaction")
    assert top.since is not None
    assert top.blocks[0].waits_since is not None
    assert "holder" in [one.application for one in report.in_transaction]
    told = redclust("db", "activity", home=cluster, check=0, fresh=True).stdout
    assert re.search(r"2 wait for a lock:\nholder \(process \d+, postgres, idle in transaction", told)
    assert re.search(r"\n  <- middle \(process .* waits for .*\): UPDATE things", told)
    assert re.search(r"\n    <- last", told)
    document = json.loads(redclust("db", "activity", "--format", "json", home=cluster, check=0).stdout)
    assert document["blockers"][0]["blocks"][0]["blocks"][0]["name"] == "last"
    wanted = [one for one in db.locks(connector, every=False).locks if not one.granted]
    assert {one.application for one in wanted} == {"middle", "last"}
    assert all(one.waits_since for one in wanted)


def test_a_circle_is_no_endless_tree(connector: Connector, client: Open, look: Session) -> None:
    first, second = client("one"), client("two")
    for session, number in ((first, 1), (second, 2)):
        session.execute("SET deadlock_timeout = '20s'")
        session.execute("UPDATE things SET n = 1 WHERE id = %s", [number])
    threads = [threading.Thread(target=lambda s=s, n=n: provoke(s, n)) for s, n in ((first, 2), (second, 1))]
    for thread in threads:
        thread.start()
    wait_until(lambda: db.activity(connector, longer_than_s=2).waiting == 2, "both wait")
    report = db.activity(connector, longer_than_s=2)
    assert report.blockers
    assert {"one", "two"} >= {one.name for one in report.blockers}
    first.cancel()
    second.cancel()
    for thread in threads:
        thread.join()


def provoke(session: Session, number: int) -> None:
    # The one that is cancelled sets the other one free.
    with suppress(psycopg.errors.QueryCanceled):
        session.execute("UPDATE things SET n = 2 WHERE id = %s", [number])


def test_a_forgotten_prepared_transaction_is_named(
    redclust: Redclust,
    cluster: Path,
    connector: Connector,
    client: Open,
    background: Callable[..., None],
    look: Session,
) -> None:
    preparer = client("two phases")
    preparer.execute("UPDATE things SET n = 3 WHERE id = 1")
    preparer.execute("PREPARE TRANSACTION 'forgotten'")
    waiter = client("waiter")
    try:
        background(waiter, "UPDATE things SET n = 4 WHERE id = 1")
        wait_until(lambda: db.activity(connector, longer_than_s=2).waiting == 1, "it waits")
        report = db.activity(connector, longer_than_s=2)
        (top,) = report.blockers
        assert (top.pid, chain(top)) == (None, ["forgotten", "waiter"])
        told = redclust("db", "activity", home=cluster, check=0).stdout
        assert re.search(r"Prepared transaction forgotten of postgres, for .*ROLLBACK PREPARED", told)
        held = [one for one in db.locks(connector, every=True).locks if one.pid is None]
        assert {one.application for one in held} == {"forgotten"}
        assert (
            "prepared   forgotten"
            in redclust("db", "locks", "--all", home=cluster, check=0, fresh=True).stdout
        )
    finally:
        waiter.cancel()
        look.execute("ROLLBACK PREPARED 'forgotten'")


def test_a_prepared_transaction_keeps_dead_rows_and_a_rebuild_waiting(
    connector: Connector, client: Open, look: Session
) -> None:
    preparer = client("two phases")
    preparer.execute("UPDATE things SET n = 3 WHERE id = 1")
    preparer.execute("PREPARE TRANSACTION 'forgotten'")
    database = Database(connector)
    try:
        look.execute("UPDATE things SET n = 4 WHERE id = 2")
        look.execute("SELECT pg_stat_force_next_flush()")
        look.execute("SELECT 1")
        vacuumed = vacuum.vacuum(database, ("things",), Silent())
        assert ("prepared transaction", "forgotten") in {(h.kind, h.name) for h in vacuumed.held_back_by}
        (built,) = reindex.reindex(database, reindex.Request(("things_pkey",), wait_s=0.5), Silent()).indexes
        assert built.state == "stopped"
        assert {(h.kind, h.pid, h.name) for h in built.waited_for} == {
            ("prepared transaction", None, "forgotten")
        }
    finally:
        look.execute("ROLLBACK PREPARED 'forgotten'")
    assert reindex.reindex(database, reindex.Request(("things_pkey",)), Silent()).ok


def test_a_query_of_five_seconds_runs_long(
    redclust: Redclust, cluster: Path, connector: Connector, client: Open, background: Callable[..., None]
) -> None:
    sleeper = client("sleeper", autocommit=True)
    background(sleeper, "SELECT pg_sleep(50)")
    wait_until(lambda: bool(db.activity(connector, longer_than_s=2).active), "it runs for 2 s")
    (found,) = db.activity(connector, longer_than_s=2).active
    assert (found.application, found.query) == ("sleeper", "SELECT pg_sleep(50)")
    assert db.activity(connector, longer_than_s=60).active == ()
    told = redclust("db", "activity", home=cluster, check=0).stdout
    assert "At one statement for longer than 2.0s" in told
    assert "SELECT pg_sleep(50)" in told


def test_twenty_idle_sessions_are_counted_and_ended(
    redclust: Redclust, cluster: Path, connector: Connector, client: Open, look: Session
) -> None:
    idle = [client("leaky pool", autocommit=True) for _ in range(20)]
    spared = {name: client(name, autocommit=True) for name in ("pg_dump", "redclust crawl", "redclust")}
    inside = client("in transaction")
    inside.execute("SELECT 1")
    for one in (*idle, *spared.values()):
        one.execute("SELECT 1")
    counted = db.connections(connector)
    assert {(c.application, c.state): c.count for c in counted.clients}["leaky pool", "idle"] == 20
    assert counted.limit == 100
    assert counted.used >= 24
    assert counted.ok
    refused = redclust("db", "terminate-idle", "--older-than", "0s", home=cluster, check=17, fresh=True)
    assert "20 idle sessions will be ended: leaky pool (postgres, process" in refused.stderr
    assert "this needs --yes" in refused.stderr
    planned = redclust("db", "terminate-idle", "--older-than", "0s", "--dry-run", home=cluster, check=0)
    assert planned.stdout.count("would be ended") == 20
    assert redclust(
        "db", "terminate-idle", "--older-than", "1h", "--yes", home=cluster, check=0
    ).stdout.startswith("No session of reddit_cluster has been idle for 1h")
    assert alive(look, [idle[0].info.backend_pid])
    done = redclust("db", "terminate-idle", "--older-than", "0s", "--yes", home=cluster, check=0)
    assert "Ended 20 sessions" in done.stdout
    assert not alive(look, [one.info.backend_pid for one in idle])
    for one in (*spared.values(), inside):
        assert one.execute("SELECT 1").fetchone() == (1,)
    report = db.terminate_idle(connector, older_than_s=0, in_transaction=True, dry_run=False)
    assert [one.application for one in report.sessions] == ["in transaction"]
    with pytest.raises(psycopg.OperationalError):
        inside.execute("SELECT 1")


def test_other_databases_are_left_alone(connector: Connector, target: Target) -> None:
    with psycopg.connect(target.on("postgres").conninfo, autocommit=True) as other:
        other.execute("SELECT 1")
        report = db.terminate_idle(connector, older_than_s=0, in_transaction=True, dry_run=True)
        assert other.info.backend_pid not in {one.pid for one in report.sessions}
        assert "postgres" in {c.database for c in db.connections(connector).clients}


def test_too_many_connections_are_said(
    redclust: Redclust, cluster: Path, connector: Connector, client: Open
) -> None:
    for _ in range(80):
        client("leaky pool", autocommit=True)
    report = db.connections(connector)
    assert not report.ok
    told = redclust("db", "connections", home=cluster, check=3, fresh=True).stdout
    assert "redclust db terminate-idle --older-than 10m" in told
    suggested = {one.name: one for one in db.settings(connector, apply=False, chosen={}).settings}
    assert suggested["max_connections"].suggested == 200
    assert "leaks" in suggested["max_connections"].reason


def test_redclust_s_own_locks_have_names(connector: Connector) -> None:
    with advisory.hold(connector, LockName.OPERATIONS, shared=True):
        found = db.locks(connector, every=False).locks
    assert [(one.on, one.mode) for one in found] == [("redclust's operations", "ShareLock")]


def test_a_role_that_may_not_see_others_is_told_so(
    target: Target, connector: Connector, client: Open, look: Session
) -> None:
    look.execute("CREATE ROLE watcher")
    try:
        held = client("held")
        held.execute("UPDATE things SET n = 5 WHERE id = 1")
        as_watcher = Connector(
            Target(make_conninfo(target.conninfo, options="-c role=watcher"), False, "test"),
            connector.settings,
            "test",
        )
        report = db.activity(as_watcher, longer_than_s=0)
        assert report.hidden >= 1
        assert report.states["hidden"] == report.hidden
        assert db.connections(as_watcher).used >= 2
        assert "held" in {one.application for one in db.locks(as_watcher, every=True).locks}
        idle = client("idle", autocommit=True)
        idle.execute("SELECT 1")
        assert (
            db.terminate_idle(as_watcher, older_than_s=0, in_transaction=True, dry_run=False).sessions == ()
        )
        assert idle.execute("SELECT 1").fetchone() == (1,)
        assert db.slow(as_watcher, load(home=Path(target.source)), limit=5).source in ("none", "log")
        assert db.settings(as_watcher, apply=False, chosen={}).settings
        with pytest.raises(DatabaseUnreachable, match="Permission denied"):
            db.enable_log(as_watcher, 1)
        # A session of a superuser is seen by who may monitor, and may not be ended by anybody else.
        look.execute("GRANT pg_monitor, pg_signal_backend TO watcher")
        assert db.activity(as_watcher, longer_than_s=0).hidden == 0
        ended = db.terminate_idle(as_watcher, older_than_s=0, in_transaction=False, dry_run=False)
        assert {one.outcome.split(" (")[0] for one in ended.sessions} == {"this role may not end it"}
        assert not ended.ok
    finally:
        look.execute("DROP OWNED BY watcher")
        look.execute("DROP ROLE watcher")


def test_slow_statements_are_logged_and_counted_from_the_log(
    redclust: Redclust, cluster: Path, client: Open
) -> None:
    assert (
        "Nothing counts statements here" in redclust("db", "slow", home=cluster, check=0, fresh=True).stdout
    )
    told = redclust("db", "slow", "--enable-log", "0.05s", home=cluster, check=0).stdout
    assert "have statements of 0.1s and longer logged" in told
    assert ask(cluster, "SHOW log_min_duration_statement") == "50ms"
    one = client("app", autocommit=True)
    for _ in range(2):
        one.execute("SELECT pg_sleep(0.06), 'a secret'")
    one.execute("ALTER ROLE postgres PASSWORD 'hunter2' VALID UNTIL 'infinity'")
    document = json.loads(redclust("db", "slow", "--format", "json", home=cluster, check=0).stdout)
    assert document["source"] == "log"
    found = {s["query"]: s["calls"] for s in document["statements"]}
    assert found["SELECT pg_sleep(?.?), ?"] == 2 or any("pg_sleep" in name for name in found)
    lines = redclust("db", "log", "--grep", "duration:", "-n", "1", home=cluster, check=0, fresh=True).stdout
    assert "pg_sleep" in lines
    told = redclust("db", "slow", "--disable-log", home=cluster, check=0).stdout
    assert "have nothing logged" in told
    assert ask(cluster, "SHOW log_min_duration_statement") == "-1"


def test_the_log_is_followed_through_a_new_file(redclust: Redclust, cluster: Path) -> None:
    log = Layout(cluster).log
    process = redclust.start("db", "log", "--follow", "--grep", "needle [0-9]", "-n", "1", home=cluster)
    seen: list[str] = []
    assert process.stdout is not None
    stdout = process.stdout
    reader = threading.Thread(target=lambda: seen.extend(line.rstrip("\n") for line in stdout))
    with log.open("a") as file:
        file.write("needle 0\n")
    reader.start()
    wait_until(lambda: "needle 0" in seen, "the line is shown")
    with log.open("a") as file:
        file.write("hay\nneedle 1")
        file.flush()
        file.write("2\n")
    wait_until(lambda: "needle 12" in seen, "the line is shown when it is whole")
    kept = log.with_suffix(".kept")
    log.rename(kept)
    log.write_text("needle 3\n")
    wait_until(lambda: "needle 3" in seen, "the new file is followed")
    kept.rename(log)
    os.kill(process.pid, signal.SIGINT)
    process.wait(timeout=10)
    reader.join()
    assert process.returncode == 130
    assert "hay" not in seen


def test_a_bad_pattern_and_a_log_elsewhere(redclust: Redclust, cluster: Path, target: Target) -> None:
    assert "not a regular expression" in redclust("db", "log", "--grep", "(", home=cluster, check=2).stderr
    failed = redclust("--database-url", target.url(), "db", "log", check=2)
    assert "HINT: on its machine" in failed.stderr
    with pytest.raises(UsageError, match="there is no log"):
        next(follow(load(home=cluster / "nowhere"), 1))


def test_settings_are_suggested_with_reasons_and_written_on_demand(
    redclust: Redclust, cluster: Path, connector: Connector, bin_dir: Path | None
) -> None:
    report = db.settings(connector, apply=False, chosen={})
    assert report.embedded
    assert all(one.reason for one in report.settings)
    assert "ALTER SYSTEM" not in redclust("db", "settings", home=cluster, check=0, fresh=True).stdout
    for bad in ("max_connections=many", "fsync=off", "work_mem=3"):
        redclust("db", "settings", "--set", bad, home=cluster, check=2)
    with pytest.raises(Refused, match="memory"):
        db.settings(connector, apply=True, chosen={"shared_buffers": "100TB"})
    told = redclust(
        "db",
        "settings",
        "--apply",
        "--set",
        "max_connections=120",
        "--set",
        "work_mem=5MB",
        home=cluster,
        check=0,
    ).stdout
    assert "In force after redclust db restart: max_connections" in told
    assert ask(cluster, "SHOW work_mem") == "5MB"
    assert ask(cluster, "SHOW max_connections") == "100"
    redclust("db", "slow", "--enable-statements", home=cluster, check=0)
    redclust("db", "restart", "--force", home=cluster, check=0, fresh=True)
    assert ask(cluster, "SHOW max_connections") == "120"
    assert ask(cluster, "SELECT count(*) FROM things") == "2"
    document = json.loads(
        redclust("db", "slow", "--limit", "500", "--format", "json", home=cluster, check=0).stdout
    )
    assert document["source"] == "pg_stat_statements"
    assert any("things" in statement["query"] for statement in document["statements"])
    assert ask(cluster, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'") == "0"


def test_on_an_external_server_the_sql_is_shown(redclust: Redclust, target: Target) -> None:
    told = redclust("--database-url", target.url(), "db", "settings", "--set", "work_mem=7MB", check=0).stdout
    assert "ALTER SYSTEM SET work_mem = '7MB';" in told
    assert "SELECT pg_reload_conf();" in told
    refused = redclust("--database-url", target.url(), "db", "settings", "--apply", check=2)
    assert "run the SQL" in refused.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE a PASSWORD 'hunter2'",
        "create user a encrypted password 'it''s hunter2' login",
        "ALTER ROLE a  Password  'hunter2'",
    ],
)
def test_passwords_in_statements_are_not_shown(statement: str) -> None:
    assert "hunter2" not in without_passwords(statement)
