"""Who may reach the embedded server and its files, and what redclust leaves alone."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import (
    IS_ROOT,
    OtherUser,
    Redclust,
    dispose,
    open_directory,
    own_server,
    server_pids,
    stopped,
    wait_until,
)
from redclust import pgtools
from redclust.db.layout import ROOT_DIR, Layout
from redclust.pgtools import Account

MakeHome = Callable[..., Path]


def modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of every parent directory."""
    return {p: (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in path.parents}


@pytest.mark.parametrize(
    ("mode", "umask"),
    [(0o700, 0o077), (0o755, 0o077), (0o755, 0o000)],
    ids=["closed, umask 077", "open, umask 077", "open, umask 000"],
)
def test_no_directory_of_others_changes(
    redclust: Redclust, make_home: MakeHome, mode: int, umask: int
) -> None:
    base = make_home("base")
    inner = base / "inner"
    inner.mkdir(parents=True)
    base.chmod(mode)
    home = make_home("home", inner)
    before = modes(home), modes(Path(sys.executable))
    redclust("db", "migrate", home=home, umask=umask, check=0)
    wait_until(lambda: stopped(home), "stopped")
    assert (modes(home), modes(Path(sys.executable))) == before
    behind_link = ROOT_DIR in Layout(home).server.parents
    assert behind_link == (home / "postgres").is_symlink()
    if IS_ROOT and mode == 0o700:
        assert behind_link
        assert (Layout(home).server / "home").read_text() == f"{home}\n"
    for top in (home, Layout(home).server):
        for directory, folders, files in os.walk(top):
            for name in (".", *folders, *files):
                path = Path(directory, name)
                if not path.is_symlink():
                    assert not path.stat().st_mode & 0o022, f"{path} can be written by others"


def test_another_user_can_neither_connect_nor_read(
    redclust: Redclust, used_home: Path, bin_dir: Path | None, stranger: OtherUser
) -> None:
    redclust("db", "start", home=used_home, check=0)
    own = own_server(used_home, bin_dir)
    socket_dir = own.layout.socket_dir()
    psql = (own.tools.path("psql"), "-XAtc", "SELECT 1", "-d", "reddit_cluster", "-h", str(socket_dir))

    for directory in (own.layout.data, socket_dir, own.layout.log.parent):
        assert "Permission denied" in stranger.run("ls", str(directory)).stderr
    assert stranger.run(*psql, "-U", "postgres").returncode != 0
    assert "Permission denied" in stranger.run("cat", str(used_home / "postgres.users")).stderr

    # Were the directory and the socket open, Postgres itself would still ask who is there.
    for way in (socket_dir, socket_dir / ".s.PGSQL.5432"):
        way.chmod(0o777)
    assert "Peer authentication failed" in stranger.run(*psql, "-U", "postgres").stderr
    assert stranger.run(*psql).returncode != 0
    socket_dir.chmod(0o700)

    denied = redclust("db", "status", home=used_home, user=stranger, check=11)
    assert "Permission denied" in denied.stderr


def test_as_root_no_process_and_no_data_is_root_s(used_home: Path, bin_dir: Path | None) -> None:
    if not IS_ROOT:
        pytest.skip("the server of an ordinary user is that user's")
    owner = Layout(used_home).data.stat().st_uid
    assert 60706 <= owner <= 61183
    with own_server(used_home, bin_dir).in_use():
        for pid in server_pids(used_home):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except FileNotFoundError:
                continue  # a session has just ended
            ids = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
            assert set(ids["Uid"]) == set(ids["Gid"]) == {str(owner)}
            assert set(ids["Groups"]) <= {str(owner)}
    for directory, _, files in os.walk(Layout(used_home).data):
        assert all(Path(directory, name).stat().st_uid == owner for name in files)


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a copy of the tools")
def test_tools_that_the_server_s_account_cannot_reach_are_copied(
    redclust: Redclust, make_home: MakeHome, tmp_path: Path
) -> None:
    """As in a clone in a closed directory; what lies beside them stays closed."""
    install = pgtools.wheel_bin_dir().parent
    closed = tmp_path / "closed" / install.parent.name / install.name
    shutil.copytree(install, closed, symlinks=True)
    libraries = install.parent.parent / f"{install.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, tmp_path / "closed" / libraries.name, symlinks=True)
    (tmp_path / "closed").chmod(0o700)
    (closed / "secret").write_text("of the owner of that directory")
    home = make_home()
    before = set((ROOT_DIR / "tools").glob("*")) if (ROOT_DIR / "tools").exists() else set[Path]()
    redclust("db", "migrate", home=home, env={"REDCLUST_DATABASE__BIN_DIR": str(closed / "bin")}, check=0)
    (copy,) = set((ROOT_DIR / "tools").glob("*")) - before
    try:
        assert not list(copy.rglob("secret"))
        assert list(copy.rglob("postgres"))
        wait_until(lambda: stopped(home), "stopped")
        # Links to them are as good; the directory of the links is nobody's business.
        links = tmp_path / "links"
        links.mkdir(mode=0o700)
        (links / "secret").touch()
        (links / "postgres").symlink_to(closed / "bin" / "postgres")
        redclust("db", "migrate", home=home, env={"REDCLUST_DATABASE__BIN_DIR": str(links)}, check=0)
        assert set((ROOT_DIR / "tools").glob("*")) - before == {copy}
        wait_until(lambda: stopped(home), "stopped")
    finally:
        shutil.rmtree(copy)
    (closed / "share").rename(closed / "elsewhere")
    env = {"REDCLUST_DATABASE__BIN_DIR": str(closed / "bin")}
    assert "cannot be reached" in redclust("db", "migrate", home=home, env=env, check=14).stderr


@pytest.fixture
def ordinary_home(ordinary: OtherUser) -> Iterator[Path]:
    """A HOME of the ordinary user's own, closed to others."""
    base = open_directory()
    own = base / "user"
    own.mkdir(mode=0o700)
    os.chown(own, ordinary.account.uid, ordinary.account.gid)
    yield own
    dispose(own / ".local" / "share" / "redclust")
    shutil.rmtree(base, ignore_errors=True)


def test_works_for_an_ordinary_user(
    redclust: Redclust, ordinary_home: Path, ordinary: OtherUser, stranger: OtherUser
) -> None:
    env = {"HOME": str(ordinary_home), "REDCLUST_HOME": ""}
    place = ordinary_home / ".local" / "share" / "redclust"
    redclust("db", "migrate", env=env, user=ordinary, check=0)
    wait_until(lambda: stopped(place), "stops by itself", timeout_s=10)
    redclust("db", "start", env=env, user=ordinary, check=0)
    assert Layout(place).data.stat().st_uid == ordinary.account.uid
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    insert = ("db", "psql", "--", "-XAtqc", "INSERT INTO users (name) VALUES ('somebody')")
    redclust(*insert, env=env, user=ordinary, check=0)

    # root may look after it, and leaves nothing behind that its owner could not use.
    redclust("db", "stop", home=place, check=0)
    for lock in place.glob("postgres.*"):
        lock.unlink()
    found = redclust("db", "psql", "--", "-XAtqc", "SELECT count(*) FROM users", home=place, check=0)
    assert found.stdout == "1\n"
    wait_until(lambda: stopped(place), "stops by itself", timeout_s=10)
    redclust("db", "migrate", env=env, user=ordinary, check=0)

    refused = redclust("db", "migrate", home=place, user=stranger, check=11)
    assert "Permission denied" in refused.stderr


def test_a_user_without_a_name_is_told(redclust: Redclust, ordinary: OtherUser) -> None:
    nameless = dataclasses.replace(ordinary, account=Account(47_110_815, 47_110_815))
    base = open_directory()
    os.chown(base, nameless.account.uid, nameless.account.gid)
    try:
        failed = redclust("db", "migrate", home=base / "home", user=nameless, check=14)
        assert str(nameless.account.uid) in failed.stderr
        assert "HINT" in failed.stderr
    finally:
        shutil.rmtree(base)


def test_a_home_that_cannot_be_made_is_permission_denied(
    redclust: Redclust, ordinary: OtherUser, home: Path
) -> None:
    failed = redclust("db", "migrate", home=home, user=ordinary, check=11)
    assert f"Permission denied: cannot make {home}" in failed.stderr
