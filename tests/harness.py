"""What tests run against: the installed command, homes of its own, and a throw-away external server."""

from __future__ import annotations

import fcntl
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import redclust
from redclust import pgtools
from redclust.config import RUNBOOK_NAMES, UNREAD_NAMES, DatabaseSettings, Settings
from redclust.db import embedded, layout
from redclust.db.embedded import Embedded
from redclust.db.layout import Layout
from redclust.db.target import DATABASE, SUPERUSER, Target
from redclust.pgtools import Account, Tools
from warm import Warm

IS_ROOT = os.geteuid() == 0
#: The migrated database that every test's own is a clone of.
TEMPLATE = "redclust_template"

#: ``make soak`` runs the full counts.
SOAK = os.environ.get("REDCLUST_SOAK") == "1"

_SETTINGS = {*RUNBOOK_NAMES, *UNREAD_NAMES}


def rounds(few: int, full: int) -> list[object]:
    """Seeds for a matrix of faults: a few rounds in the suite, the full count under ``make soak``."""
    return [pytest.param(n, marks=pytest.mark.soak) for n in range(full)] if SOAK else list(range(few))


def take_settings_out(environment: dict[str, str]) -> None:
    """Remove every name that would tell redclust or libpq something."""
    for name in list(environment):
        if name in _SETTINGS or name.startswith(("PG", "REDCLUST_", "XDG_", "PYTHON")):
            del environment[name]


def wait_until(condition: Callable[[], bool], what: str, *, timeout_s: float = 30) -> None:
    """Poll; a condition that never holds fails the test by its name."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.04)


def installed_command() -> list[str]:
    """The script that the installation made, else the module."""
    script = Path(sys.executable).parent / "redclust"
    return [str(script)] if script.exists() else [sys.executable, "-m", "redclust"]


@dataclass(frozen=True)
class OtherUser:
    """Another user of this machine, and how that one can run the command."""

    account: Account
    argv: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def find(cls, name: str) -> OtherUser | None:
        """None where neither the installation nor the system's Python can be reached by that user.

        With the system's Python, where ours is closed to others, the same files run through PYTHONPATH.
        """
        entry = pwd.getpwnam(name)
        account = Account(entry.pw_uid, entry.pw_gid)
        places = [str(Path(redclust.__file__).parent.parent), *(p for p in sys.path if "site-packages" in p)]
        system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        for python, argv, environment in (
            (sys.executable, tuple(installed_command()), {}),
            (system, (system, "-m", "redclust"), {"PYTHONPATH": os.pathsep.join(places)}),
        ):
            found = cls(account, argv, environment)
            if found.run(python, "-c", "import redclust.cli.app, psycopg, pydantic").returncode == 0:
                return found
        return None

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run any program as that user; 126 where the user may not."""
        try:
            return subprocess.run(
                argv,
                cwd="/",
                env={"PATH": os.defpath, "HOME": "/nonexistent", **self.environment},
                capture_output=True,
                text=True,
                check=False,
                user=self.account.uid,
                group=self.account.gid,
                extra_groups=[],
            )
        except PermissionError:
            return subprocess.CompletedProcess(argv, 126, "", "Permission denied")


@dataclass
class Redclust:
    """The installed command in a subprocess; no setting of the caller reaches it.

    Without ``home``, and without a database named by ``env`` or a flag, it works on the test's own clone.
    """

    work_dir: Path
    bin_dir: Path | None
    clone_url: Callable[[], str]
    started: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])
    #: What to fork the command from; without it every call is a new interpreter's.
    warm: Callable[[], Warm] | None = None

    def environment(self, env: Mapping[str, str] | None, home: Path | None) -> dict[str, str]:
        kept = dict(os.environ)
        take_settings_out(kept)
        made = {**kept, "TERM": "xterm", "HOME": str(self.work_dir)}
        if self.bin_dir:
            made["REDCLUST_DATABASE__BIN_DIR"] = str(self.bin_dir)
        if home:
            made["REDCLUST_HOME"] = str(home)
        return {**made, **(env or {})}

    def arguments(self, args: tuple[str, ...], env: Mapping[str, str] | None, home: Path | None) -> list[str]:
        named = {"DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "REDCLUST_HOME"}
        flags = ("--database-url", "--home", "--config", "--env-file")
        has_own = home or named & set(env or {}) or any(a.startswith(flags) for a in args)
        own = [] if has_own else ["--database-url", self.clone_url()]
        return [*installed_command(), *own, *args]

    def __call__(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        check: int | None = None,
        stdin: str | None = None,
        home: Path | None = None,
        user: OtherUser | None = None,
        umask: int = -1,
        prefix: tuple[str, ...] = (),
        cwd: Path | None = None,
        timeout_s: float = 120,
        fresh: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; with ``check`` another exit code than that fails the test.

        With ``fresh`` by a new interpreter, also where there is a warm one to fork.
        """
        argv = self.arguments(args, env, home)
        if user:
            argv = [*user.argv, *argv[len(installed_command()) :]]
        account = user.account if user else None
        environment = {**self.environment(env, home), **(user.environment if user else {})}
        place = cwd or (Path("/") if user else self.work_dir)
        warm = self.warm() if self.warm and not (fresh or user or prefix) else None
        if warm and warm.can(environment, stdin or ""):
            done = warm.run(
                argv[len(installed_command()) :], environment, stdin or "", place, umask, timeout_s
            )
        else:
            done = subprocess.run(
                [*prefix, *argv],
                env=environment,
                cwd=place,
                input=stdin or "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
                umask=umask,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}: {args}\n{done.stdout}{done.stderr}"
        return done

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, home: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start in a process group of its own; what still runs at the end of the test is killed."""
        argv, environment = self.arguments(args, env, home), self.environment(env, home)
        warm = self.warm() if self.warm else None
        if warm and warm.can(environment, ""):
            process = warm.begin(argv[len(installed_command()) :], environment, self.work_dir)
        else:
            process = subprocess.Popen(
                argv,
                env=environment,
                cwd=self.work_dir,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            kill_group(process)
            process.communicate()


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL to what :meth:`Redclust.start` began, children included; nothing where it has ended."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def open_directory(parent: Path | None = None) -> Path:
    """A temporary directory that other users may pass through, in memory where there is enough of it."""
    made = Path(tempfile.mkdtemp(prefix="redclust-test-", dir=parent or _quick_directory()))
    made.chmod(0o711)
    return made


def _quick_directory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - only a parent
    try:
        found = os.statvfs(memory)
    except OSError:
        return Path(tempfile.gettempdir())
    roomy = found.f_bavail * found.f_frsize >= 4 * 1024**3
    return memory if roomy and not found.f_flag & os.ST_NOEXEC else Path(tempfile.gettempdir())


@contextmanager
def small_file_system(directory: Path, size_bytes: int) -> Generator[Path]:
    """A file system of that size in memory, over a directory whose mode it takes; else the test is skipped.

    Name its fixture before those of servers on it: they have to end while it is mounted.
    """
    mode = directory.stat().st_mode & 0o777
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode={mode:o}", "tmpfs", str(directory)]
    if not IS_ROOT or subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of its own cannot be mounted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def own_server(home: Path, bin_dir: Path | None) -> Embedded:
    """The embedded server of a home, as the command sees it."""
    return embedded.locate(home, DatabaseSettings(bin_dir=bin_dir))


def postmaster_pid(home: Path) -> int | None:
    """The living postmaster of a home."""
    try:
        pid = int((Layout(home).data / "postmaster.pid").read_text().split()[0])
        return pid if Path(f"/proc/{pid}/cwd").readlink() == Layout(home).data else None
    except (OSError, IndexError, ValueError):
        return None


def stopped(home: Path) -> bool:
    """Whether no process of a home's server is left."""
    return not (Layout(home).data / "postmaster.pid").exists() and not server_pids(home)


def ask(home: Path, statement: str) -> str:
    """One value from a server that runs; nothing is started for it."""
    conninfo = make_conninfo(host=str(Layout(home).socket_dir()), user=SUPERUSER, dbname=DATABASE)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return str(row[0]) if row else ""


def server_pids(home: Path) -> list[int]:
    """Every Postgres process that works in a home's data directory."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == Layout(home).data:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kill_server(home: Path) -> None:
    """SIGKILL to every Postgres process of a home, as a power cut would."""
    for pid in server_pids(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not server_pids(home), "the killed server is gone")


def dispose(home: Path) -> None:
    """Leave nothing of a home: its server, where that is behind a symlink, and its socket's directory."""
    postmaster = postmaster_pid(home)
    if postmaster is not None:
        os.kill(postmaster, signal.SIGQUIT)  # quick, and unlike SIGKILL leaves no shared memory behind
        with suppress(AssertionError):
            wait_until(lambda: not server_pids(home), "the server is gone", timeout_s=5)
    kill_server(home)
    places = Layout(home)
    directories = [places.server, home]
    if places.initialised:
        directories.append(places.socket_dir())
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass
class ExternalServer:
    """A Postgres that is not redclust's: TCP on 127.0.0.1, passwords by scram, no socket."""

    directory: Path
    tools: Tools
    port: int
    account: Account | None

    user = "keeper"
    password = "pa55&word"

    @classmethod
    def make(cls, directory: Path, bin_dir: Path | None) -> ExternalServer:
        """initdb and start."""
        tools = layout.reachable_tools(pgtools.find_tools(bin_dir))
        account = None
        if IS_ROOT:
            entry = pwd.getpwnam("nobody")
            account = Account(entry.pw_uid, entry.pw_gid)
            os.chown(directory, *(account.uid, account.gid))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        made = cls(directory, tools, port, account)
        password_file = directory / "password"
        password_file.write_text(cls.password)
        argv = [tools.path("initdb"), "-D", str(made.data), "-U", cls.user, "--auth=scram-sha-256", "-N"]
        pgtools.run([*argv, "-E", "UTF8", "--locale=C", f"--pwfile={password_file}"], account=account)
        made.start()
        return made

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        self._outlive_nobody()
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off"
        log = self.directory / "log"
        pgtools.start(self.tools, self.data, log=log, account=self.account, options=options)

    def stop(self) -> None:
        pgtools.stop(self.tools, self.data, account=self.account)

    def _outlive_nobody(self) -> None:
        """Let redclust's own keeper stop the server, however this process ends."""
        users, keeper = (
            os.open(self.directory / name, os.O_RDWR | os.O_CREAT) for name in ("users", "keeper")
        )
        fcntl.flock(users, fcntl.LOCK_SH)
        waiting = os.open(self.directory / "users", os.O_RDWR)
        pgtools.spawn_keeper(
            self.tools,
            self.data,
            users_fd=waiting,
            keeper_fd=keeper,
            marker=self.directory / "keep",
            account=self.account,
        )
        os.close(waiting)
        os.close(keeper)

    def keywords(self, dbname: str = "postgres", **changed: str | None) -> dict[str, str | None]:
        own = {"host": "127.0.0.1", "port": str(self.port), "user": self.user, "password": self.password}
        return {**own, "dbname": dbname, **changed}

    def conninfo(self, dbname: str = "postgres", **changed: str | None) -> str:
        return make_conninfo("", **self.keywords(dbname, **changed))

    def url(self, dbname: str = "postgres", *, password: str = "pa55%26word", query: str = "") -> str:  # noqa: S107
        return f"postgresql://{self.user}:{password}@127.0.0.1:{self.port}/{dbname}{query}"

    def environment(self, dbname: str = "postgres") -> dict[str, str]:
        keywords = self.keywords(dbname)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
        return {**{n: str(keywords[k]) for k, n in names.items()}, "PGDATABASE": dbname}


def settings_for(bin_dir: Path | None) -> Settings:
    """The defaults, with the Postgres that the tests run on."""
    return Settings(database=DatabaseSettings(bin_dir=bin_dir))


@dataclass
class Clones:
    """Databases made from the migrated template, each for one test."""

    server: Target
    made: list[str]
    numbers = itertools.count(1)

    def make(self, *, empty: bool = False, template: str = TEMPLATE) -> Target:
        name = f"test_{next(self.numbers)}"
        template = "template1" if empty else template
        with maintenance(self.server) as connection:
            connection.execute(
                # Without fsync files are copied in a third of the time that the write-ahead log takes.
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        self.made.append(name)
        return self.server.on(name)

    def drop(self) -> None:
        with maintenance(self.server) as connection:
            for name in self.made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def make_template(server: Target, name: str) -> Target:
    """A database that tests are given clones of, itself one of the migrated template."""
    with maintenance(server) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )
    return server.on(name)


def maintenance(target: Target) -> psycopg.Connection[tuple[object, ...]]:
    """A session on the database that clones are made and dropped from."""
    return psycopg.connect(target.on("postgres").conninfo, autocommit=True)
