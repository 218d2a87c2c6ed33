"""The embedded server: started on demand, shared, gone when nobody uses it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import stat
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from harness import Redclust, ask, own_server, postmaster_pid, stopped, wait_until
from redclust.db.layout import Layout

MakeHome = Callable[..., Path]
SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def psql(redclust: Redclust, home: Path, statement: str) -> str:
    """One value by the command itself."""
    done = redclust("db", "psql", "--", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, home=home, check=0)
    return done.stdout.strip()


def status(redclust: Redclust, home: Path) -> dict[str, object]:
    return json.loads(redclust("db", "status", "--format", "json", home=home, check=0).stdout)


def answers(home: Path, statement: str) -> bool:
    """Whether a server runs and gives 1; it may still be starting."""
    try:
        return ask(home, statement) == "1"
    except (psycopg.OperationalError, FileNotFoundError):
        return False


def counting_tools(tools_dir: Path, real: Path, log: Path) -> Path:
    """A tool directory whose initdb writes a line for each of its runs."""
    tools_dir.mkdir()
    for program in real.iterdir():
        (tools_dir / program.name).symlink_to(program)
    (tools_dir / "initdb").unlink()
    (tools_dir / "initdb").write_text(f'#!/bin/sh\necho run >> {log}\nexec {real}/initdb "$@"\n')
    (tools_dir / "initdb").chmod(0o755)
    log.touch()
    log.chmod(0o666)
    return tools_dir


def test_status_of_nothing_makes_nothing(redclust: Redclust, home: Path) -> None:
    found = status(redclust, home)
    assert (found["kind"], found["running"], found["database"]) == ("embedded", False, "not made yet")
    assert not home.exists()


@pytest.mark.parametrize("mode", [0o700, 0o711], ids=["closed", "open"])
def test_three_first_commands_at_once_make_one_server(
    redclust: Redclust, make_home: MakeHome, bin_dir: Path | None, mode: int
) -> None:
    home = make_home("home")
    log = home.parent / "initdb.log"
    tools = counting_tools(home.parent / "tools", own_server(home, bin_dir).tools.bin_dir, log)
    home.mkdir()
    home.chmod(mode)
    env = {"REDCLUST_DATABASE__BIN_DIR": str(tools)}
    runs = [redclust.start("db", "migrate", "--format", "json", home=home, env=env) for _ in range(3)]
    told = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert log.read_text() == "run\n"
    applied = sorted(json.loads(out)["applied_now"] for out, _ in told)
    assert applied[:2] == [0, 0]
    assert applied[2] > 0
    assert not list(Layout(home).server.glob("data.new-*"))
    wait_until(lambda: stopped(home), "the server stops after the last command", timeout_s=10)


def test_starts_on_demand_is_shared_and_stops_by_itself(redclust: Redclust, used_home: Path) -> None:
    busy = redclust.start("db", "psql", "--", "-Xc", "SELECT pg_sleep(60)", home=used_home)
    wait_until(lambda: answers(used_home, SLEEPERS), "psql is at work")
    postmaster = postmaster_pid(used_home)
    second = redclust("db", "migrate", home=used_home, check=0)
    assert f"database: embedded Postgres in {used_home}" in second.stderr
    assert postmaster_pid(used_home) == postmaster, "the second command's end is not the last one's"
    os.kill(busy.pid, signal.SIGKILL)
    wait_until(lambda: stopped(used_home), "the server stops after SIGKILL of the last", timeout_s=10)
    assert "database system is shut down" in Layout(used_home).log.read_text().splitlines()[-1]


def test_stays_from_start_until_stop(redclust: Redclust, used_home: Path) -> None:
    assert "started" in redclust("db", "start", home=used_home, check=0, fresh=True).stdout
    postmaster = postmaster_pid(used_home)
    again = json.loads(redclust("db", "start", "--format", "json", home=used_home, check=0).stdout)
    assert again["state"] == "running"
    found = status(redclust, used_home)
    assert (found["running"], found["kept"], found["schema_state"]) == (True, True, "current")
    assert postmaster_pid(used_home) == postmaster, "it stays between two commands"

    # A client that knows nothing of redclust reaches it by its URL.
    url = redclust("db", "url", home=used_home, check=0).stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("reddit_cluster",)

    restarted = json.loads(redclust("db", "restart", "--format", "json", home=used_home, check=0).stdout)
    assert restarted["state"] == "started"
    assert postmaster_pid(used_home) not in (None, postmaster)

    assert "stopped" in redclust("db", "stop", home=used_home, check=0, fresh=True).stdout
    assert stopped(used_home)
    assert status(redclust, used_home)["kept"] is False
    assert "not running" in redclust("db", "stop", home=used_home, check=0).stdout
    assert "database system is shut down" in redclust("db", "log", "-n", "5", home=used_home, check=0).stdout


def test_stop_refuses_while_a_command_uses_the_server(
    redclust: Redclust, used_home: Path, bin_dir: Path | None
) -> None:
    busy = redclust.start("db", "psql", "--", "-Xc", "SELECT pg_sleep(60)", home=used_home)
    wait_until(lambda: answers(used_home, SLEEPERS), "psql is at work")
    refused = redclust("db", "restart", home=used_home, check=13)
    assert "redclust psql" in refused.stderr
    assert "--force" in refused.stderr
    assert "stopped" in redclust("db", "stop", "--force", home=used_home, check=0).stdout
    assert busy.wait(timeout=10) != 0
    wait_until(lambda: stopped(used_home), "stopped by force", timeout_s=10)

    # Between two sessions a command uses the server as well.
    with own_server(used_home, bin_dir).in_use() as target:
        redclust("db", "stop", home=used_home, check=13)
        own_server(used_home, bin_dir).keep()
    # And one that was given the URL of a server that stays is a command too.
    with psycopg.connect(target.conninfo, application_name="redclust precalc"):
        refused = redclust("db", "stop", home=used_home, check=13)
        assert "redclust precalc" in refused.stderr
    redclust("db", "stop", home=used_home, check=0)


def test_settings_are_durable_and_closed(used_home: Path, bin_dir: Path | None) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "unix_socket_permissions": "0700",
        "TimeZone": "UTC",
    }
    own = own_server(used_home, bin_dir)
    with own.in_use() as target, psycopg.connect(target.conninfo) as connection:
        shown = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", (list(expected),)
        )
        assert dict(shown.fetchall()) == expected
        if own.tools.major >= 17:
            columns, collation = "datlocprovider::text, datlocale", ("b", "C.UTF-8")
        else:
            columns, collation = "datcollate, datctype", ("C", "C.UTF-8")
        found = connection.execute(
            f"SELECT {columns} FROM pg_database WHERE datname = current_database()".encode()
        )
        assert found.fetchone() == collation
        assert connection.execute("SELECT 'B' < 'a', lower('É')").fetchone() == (True, "é")
        hba = connection.execute("SELECT type, auth_method FROM pg_hba_file_rules").fetchall()
        assert hba == [("local", "peer")]
    assert stat.S_IMODE(own.layout.socket_dir().stat().st_mode) == 0o700
    assert stat.S_IMODE(own.layout.data.stat().st_mode) == 0o700


def test_a_long_path_keeps_its_socket_elsewhere(
    redclust: Redclust, make_home: MakeHome, work_dir: Path
) -> None:
    home = make_home("/".join(["long" * 10] * 4))
    redclust("db", "start", home=home, check=0)
    directory = Layout(home).socket_dir()
    assert home not in directory.parents
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory.stat().st_uid == Layout(home).data.stat().st_uid
    # Two commands may differ in TMPDIR.
    question = ("db", "psql", "--", "-XAtc", "SELECT 41 + 1")
    found = redclust(*question, home=home, env={"TMPDIR": str(work_dir)}, check=0)
    assert found.stdout == "42\n"

    redclust("db", "stop", home=home, check=0)
    directory.chmod(0o777)
    refused = redclust("db", "migrate", home=home, check=17)
    assert str(directory) in refused.stderr


def test_two_homes_at_once_are_two_databases(redclust: Redclust, used_home: Path, home: Path) -> None:
    for one in (used_home, home):
        redclust("db", "start", home=one, check=0)
    ask(home, "INSERT INTO subreddits (name) VALUES ('only_in_one') RETURNING id")
    assert ask(used_home, "SELECT count(*) FROM subreddits") == "0"
    assert ask(home, "SELECT count(*) FROM subreddits") == "1"
    redclust("db", "stop", home=used_home, check=0)
    assert postmaster_pid(home) is not None


def test_psql_survives_ctrl_c(redclust: Redclust, used_home: Path) -> None:
    """Ctrl-C belongs to psql, which cancels its statement; the command around it must not die of it."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        redclust.arguments(("db", "psql", "--", "-XAtq", "-P", "pager=off"), None, used_home),
        env={**redclust.environment(None, used_home), "TERM": "dumb"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        # In the child, whose only thread it is: Ctrl-C is for whom the terminal belongs to.
        preexec_fn=lambda: fcntl.ioctl(follower, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        start_new_session=True,
    )
    os.close(follower)
    seen = b""

    def read_until(mark: bytes) -> None:
        nonlocal seen
        while mark not in seen:
            seen += os.read(leader, 4096)

    try:
        read_until(b"=#")
        os.write(leader, b"SELECT 'asleep' || pg_sleep(60);\n")
        wait_until(lambda: answers(used_home, SLEEPERS), "psql's statement runs")
        os.write(leader, b"\x03")
        read_until(b"canceling statement")
        os.write(leader, b"SELECT 6 * 7 AS answer;\n")
        read_until(b"42")
        os.write(leader, b"\\q\n")
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
