"""The embedded server after kills of every kind: the next command works, and committed rows are there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from harness import (
    IS_ROOT,
    Redclust,
    ask,
    kill_server,
    own_server,
    postmaster_pid,
    server_pids,
    stopped,
    wait_until,
)
from redclust.db.layout import Layout


def psql(redclust: Redclust, home: Path, statement: str) -> str:
    done = redclust("db", "psql", "--", "-XAtqc", statement, home=home, check=0)
    return done.stdout.strip()


def keepers(home: Path) -> list[int]:
    """The processes that wait to stop a home's server."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if any(a.endswith(b"keeper.py") for a in arguments) and os.fsencode(Layout(home).data) in arguments:
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("whom", ["postmaster", "everything"])
def test_sigkill_of_postgres_loses_nothing_committed(
    redclust: Redclust, used_home: Path, bin_dir: Path | None, whom: str
) -> None:
    own = own_server(used_home, bin_dir)
    with own.in_use():
        connection = psycopg.connect(own.target().conninfo, autocommit=True)
        busy = psycopg.connect(own.target().conninfo)
        # Seconds in which a process of the old server takes no notice of the killed one.
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 6000000)")
        connection.execute("DELETE FROM users")
        for number in range(20):
            connection.execute("INSERT INTO users (name) VALUES (%s)", (f"{whom}_{number}",))
        connection.execute("BEGIN")
        connection.execute("INSERT INTO users (name) VALUES ('never committed')")
        orphan = busy.info.backend_pid
        if whom == "postmaster":
            postmaster = postmaster_pid(used_home)
            assert postmaster is not None
            os.kill(postmaster, signal.SIGKILL)
            connection.close()
        else:
            for keeper in keepers(used_home):
                os.kill(keeper, signal.SIGKILL)
            kill_server(used_home)
        assert psql(redclust, used_home, "SELECT count(*) FROM users") == "20"
        # Two servers on the same data destroy it: the new one has waited for the last of the old.
        assert orphan not in server_pids(used_home)
        connection.close()
        busy.close()
    wait_until(lambda: stopped(used_home), "the server stops by itself again", timeout_s=10)


def test_a_killed_keeper_is_replaced_by_the_next_command(
    redclust: Redclust, used_home: Path, bin_dir: Path | None
) -> None:
    with own_server(used_home, bin_dir).in_use():
        wait_until(lambda: len(keepers(used_home)) == 1, "one keeper")
        os.kill(keepers(used_home)[0], signal.SIGKILL)
    assert not stopped(used_home), "nobody is left to stop it"
    assert psql(redclust, used_home, "SELECT 42") == "42"
    wait_until(lambda: stopped(used_home), "the next command brings a keeper", timeout_s=10)


def test_a_reused_process_id_does_not_block_the_start(
    redclust: Redclust, used_home: Path, bin_dir: Path | None
) -> None:
    places = Layout(used_home)
    pid_file, socket_lock = places.data / "postmaster.pid", places.socket_dir() / ".s.PGSQL.5432.lock"
    with own_server(used_home, bin_dir).in_use():
        left = {path: path.read_text().splitlines(keepends=True)[1:] for path in (pid_file, socket_lock)}
        for keeper in keepers(used_home):
            os.kill(keeper, signal.SIGKILL)
        kill_server(used_home)
    owner = places.data.stat()
    # After a reboot the number belongs to another program of the same user.
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if IS_ROOT else {}
    innocent = subprocess.Popen(["sleep", "60"], cwd="/", **account)  # type: ignore[arg-type]
    try:
        for path, lines in left.items():
            path.write_text("".join([f"{innocent.pid}\n", *lines]))
        assert psql(redclust, used_home, "SELECT 41 + 1") == "42"
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_server_that_is_stopping_is_waited_for(
    redclust: Redclust, used_home: Path, bin_dir: Path | None
) -> None:
    """Whoever asked it to stop: a start in that moment is not refused."""
    with own_server(used_home, bin_dir).in_use() as target, psycopg.connect(target.conninfo):
        postmaster = postmaster_pid(used_home)
        assert postmaster is not None
        os.kill(postmaster, signal.SIGTERM)  # a smart shutdown: waits for its sessions, lets nobody in
        second = redclust.start("db", "psql", "--", "-XAtqc", "SELECT 41 + 1", home=used_home)
        time.sleep(1)
        assert second.poll() is None
    assert second.communicate(timeout=20)[0] == "42\n"


@pytest.mark.parametrize("delay_s", [0.0, 0.2])
def test_a_killed_initdb_is_swept_and_made_again(
    redclust: Redclust, home: Path, bin_dir: Path | None, delay_s: float
) -> None:
    first = redclust.start("db", "migrate", home=home)
    server = Layout(home).server
    wait_until(lambda: any(server.glob("data.new-*")) if server.exists() else False, "initdb is at work")
    time.sleep(delay_s)
    os.kill(first.pid, signal.SIGKILL)  # its initdb goes on for a moment, as an orphan
    assert psql(redclust, home, "SELECT 41 + 1") == "42"
    wait_until(lambda: stopped(home), "stopped")
    with own_server(home, bin_dir).in_use():
        assert not list(server.glob("data.new-*"))


@pytest.mark.parametrize("delay_s", [0.0, 0.15])
def test_a_command_killed_while_it_starts_the_server_leaves_none_running(
    redclust: Redclust, used_home: Path, delay_s: float
) -> None:
    first = redclust.start("db", "migrate", "--status", home=used_home)
    wait_until(lambda: bool(keepers(used_home)), "the start begins")
    time.sleep(delay_s)
    first.kill()
    wait_until(lambda: stopped(used_home) and not keepers(used_home), "nothing stays", timeout_s=15)
    assert psql(redclust, used_home, "SELECT 41 + 1") == "42"


@pytest.mark.skipif(not IS_ROOT, reason="only root has capabilities to lose")
def test_root_that_may_not_look_into_processes_sees_the_server_run(
    redclust: Redclust, used_home: Path
) -> None:
    """In a container root cannot read /proc/PID/cwd of other users: the server is not dead for that."""
    redclust("db", "start", home=used_home, check=0)
    postmaster = postmaster_pid(used_home)
    drop = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    found = redclust("db", "status", home=used_home, prefix=drop, check=0)
    assert "running, stays" in found.stdout
    found = redclust("db", "psql", "--", "-XAtc", "SELECT 41 + 1", home=used_home, prefix=drop, check=0)
    assert found.stdout == "42\n"
    assert postmaster_pid(used_home) == postmaster
    redclust("db", "stop", home=used_home, prefix=drop, check=0)
    assert stopped(used_home)


def test_a_server_that_cannot_start_says_why(redclust: Redclust, used_home: Path) -> None:
    conf = Layout(used_home).data / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "shared_buffers = 'a lot'\n")
    try:
        failed = redclust("db", "migrate", home=used_home, check=14)
    finally:
        conf.write_text(good)
    assert "does not start" in failed.stderr
    assert "shared_buffers" in failed.stderr
    assert str(Layout(used_home).log) in failed.stderr


def test_tools_that_are_not_there_or_are_no_programs(redclust: Redclust, home: Path, tmp_path: Path) -> None:
    env = {"REDCLUST_DATABASE__BIN_DIR": str(tmp_path)}
    program = tmp_path / "postgres"
    assert str(program) in redclust("db", "start", home=home, env=env, check=14).stderr
    for text in ("not a program", "#!/bin/sh\necho strange"):
        program.write_text(text)
        program.chmod(0o755)
        assert str(program) in redclust("db", "start", home=home, env=env, check=14).stderr


def test_a_failing_initdb_says_why(redclust: Redclust, home: Path, bin_dir: Path | None) -> None:
    tools = home.parent / "tools"
    tools.mkdir()
    (tools / "postgres").symlink_to(own_server(home, bin_dir).tools.bin_dir / "postgres")
    (tools / "initdb").write_text("#!/bin/sh\necho talk\necho 'the reason' >&2\nexit 1\n")
    (tools / "initdb").chmod(0o755)
    failed = redclust("db", "start", home=home, env={"REDCLUST_DATABASE__BIN_DIR": str(tools)}, check=14)
    assert "initdb failed with code 1: the reason\n" in failed.stderr


def test_ask_starts_nothing(used_home: Path) -> None:
    """What these tests look with must not keep the server they look at."""
    with pytest.raises(psycopg.OperationalError):
        ask(used_home, "SELECT 1")
