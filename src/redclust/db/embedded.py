"""The embedded server: made and started on demand, shared by commands, gone when the last one ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from redclust import pgtools
from redclust.config import DatabaseSettings
from redclust.db import layout as layouts
from redclust.db import postmaster
from redclust.db.filelock import exclusive, open_lock
from redclust.db.layout import Layout
from redclust.db.sizing import server_settings
from redclust.db.target import DATABASE, MAINTENANCE_DATABASE, SUPERUSER, Target
from redclust.errors import SchemaMismatch, ToolError
from redclust.pgtools import Account, Tools

_MAP = "redclust"
_PORT = 5432
#: Seconds to wait for a server that is stopping, or for the last processes of a killed one.
_PATIENCE_S = 60
#: What a server says that is there and will be ready.
_RECOVERS = ("is starting up", "not yet accepting connections", "in recovery mode")


@dataclass(frozen=True, slots=True)
class Embedded:
    """One embedded server and the tools to run it with."""

    layout: Layout
    tools: Tools

    def target(self) -> Target:
        """How libpq reaches it; the socket's directory is closed to other users."""
        conninfo = make_conninfo(
            host=str(self.layout.socket_dir()),
            port=_PORT,
            user=SUPERUSER,
            dbname=DATABASE,
            # Said although they are the defaults: libpq would take them from PGOPTIONS and its like.
            options="",
            target_session_attrs="any",
            require_auth="",
            client_encoding="UTF8",
        )
        return Target(conninfo, embedded=True, source=str(self.layout.home))

    def running(self) -> bool:
        """Whether a server on the data directory takes connections."""
        found = postmaster.find(self.layout.data)
        return found is not None and found.ready

    @contextmanager
    def in_use(self) -> Generator[Target]:
        """Start the server unless it runs, and keep it until the block ends.

        The shared lock on the users file is what keeps it: the kernel gives it back however this process
        ends, and the keeper stops the server when nobody holds it.

        Raises:
            SchemaMismatch: the data directory is of another major version.
            ToolError: the server cannot be made or started; its last log lines are in the message.
        """
        layouts.make_home(self.layout.home)
        users = open_lock(self.layout.lock_file("users"))
        try:
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper is stopping the server
            with exclusive(self.layout.lock_file("start")):
                layouts.make_server_dir(self.layout.home)
                self._make()
                self._check_major()
                self._start()
            yield self.target()
        finally:
            os.close(users)

    def keep(self) -> None:
        """Let the server stay when nobody uses it (``db start``)."""
        self.layout.keep_marker.touch(mode=0o600)

    def stop(self) -> bool:
        """Stop the server, ending every session; False where none was running."""
        self.layout.keep_marker.unlink(missing_ok=True)
        if not self.layout.initialised or postmaster.find(self.layout.data) is None:
            return False
        try:
            pgtools.stop(self.tools, self.layout.data, account=self.layout.account())
        except ToolError:
            if postmaster.find(self.layout.data) is not None:  # else its keeper was quicker
                raise
        return True

    @contextmanager
    def alone(self, *, wait: bool) -> Generator[None]:
        """Let nobody use or start the server until the block ends.

        Raises:
            BlockingIOError: a command uses it and ``wait`` is false.
        """
        users = open_lock(self.layout.lock_file("users"))
        try:
            if wait:
                fcntl.flock(users, fcntl.LOCK_EX)
            else:
                _take_now(users)
            yield
        finally:
            os.close(users)

    def _check_major(self) -> None:
        if self.layout.major != self.tools.major:
            raise SchemaMismatch(
                f"the data in {self.layout.data} is of Postgres {self.layout.major}, "
                f"the programs are {self.tools.version}",
                hint="redclust db upgrade",
            )

    def _make(self) -> None:
        """initdb under a name of its own, renamed when it is whole: a killed one is swept and made again."""
        server, data = self.layout.server, self.layout.data
        for leftover in server.glob("data.new-*"):
            # An orphan of a killed command may still be writing there: the next start sweeps what is left.
            shutil.rmtree(leftover, ignore_errors=True)
        if self.layout.initialised:
            return
        if self.layout.upgraded.exists():  # an upgrade ended between its two renames
            self.layout.upgraded.rename(data)
            return
        staging = server / f"data.new-{os.getpid()}"
        accounts = layouts.accounts_for_new_server(server)
        staging.mkdir(mode=0o700)
        log = server / "log"
        log.mkdir(mode=0o700, exist_ok=True)
        if accounts is not None:
            os.chown(staging, accounts[0].uid, accounts[0].gid)
        maker = accounts[0] if accounts else None
        pgtools.initdb(self.tools, staging, superuser=SUPERUSER, account=maker, map_name=_MAP)
        with (staging / "postgresql.conf").open("a") as conf:
            conf.write("\n# Sized to the machine at every start:\ninclude_if_exists = 'redclust.conf'\n")
        if accounts is not None:
            give(staging, accounts[1])
            give(log, accounts[1])
        for written in (staging / "postgresql.conf", staging / "pg_hba.conf", staging):
            _sync(written)
        staging.rename(data)
        _sync(server)

    def _start(self) -> None:
        account = self.layout.account()
        # Before the server: however this command ends from here on, somebody is there to stop it.
        self._spawn_keeper(account)
        deadline = time.monotonic() + _PATIENCE_S
        while not self.running():
            # One that is stopping or recovering is waited for; a second one is never started beside it.
            if postmaster.find(self.layout.data) is None:
                self._start_server(account, deadline)
            elif time.monotonic() > deadline:
                raise ToolError(
                    f"the embedded server is neither ready nor gone: {_tail(self.layout.log)}",
                    hint=f"its log is {self.layout.log}; redclust db stop --force ends it",
                )
            else:
                time.sleep(0.1)
        while True:
            try:
                self._create_database()
            except psycopg.OperationalError as error:
                # After a backend crashed it recovers for a moment, though its pid file says that it is ready.
                if not any(words in str(error) for words in _RECOVERS) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _start_server(self, account: Account | None, deadline: float) -> None:
        data = self.layout.data
        socket_dir = self.layout.make_socket_dir()
        self._write(data / "redclust.conf", server_settings(socket_dir, _PORT), account)
        names = layouts.owner_names(self.layout)
        self._write(data / "pg_ident.conf", "".join(f"{_MAP} {n} {SUPERUSER}\n" for n in names), account)
        postmaster.disarm_leftovers(data, socket_dir / f".s.PGSQL.{_PORT}")
        try:
            pgtools.start(self.tools, data, log=self.layout.log, account=account)
        except ToolError as error:
            told = _tail(self.layout.log)
            # After SIGKILL of Postgres its children need a moment to notice; until then a start is refused.
            if "pre-existing shared memory block" in told and time.monotonic() < deadline:
                time.sleep(0.25)
                return
            raise ToolError(
                f"the embedded server does not start: {told or error}",
                hint=f"its log is {self.layout.log}; where the data is lost: redclust restore latest",
            ) from None

    def _create_database(self) -> None:
        maintenance = self.target().on(MAINTENANCE_DATABASE)
        with psycopg.connect(
            maintenance.conninfo, autocommit=True, connect_timeout=30, application_name="redclust start"
        ) as connection:
            from redclust.sql import query

            row = connection.execute(query("db", "database_exists"), {"name": DATABASE}).fetchone()
            if row is None or not row[0]:
                connection.execute(query("db", "create_database"))
            row = connection.execute(query("db", "system_identifier")).fetchone()
            if row is not None:
                self._remember(str(row[0]))

    def identities(self) -> tuple[str, ...]:
        """The system identifiers of the servers that this home has had, oldest first.

        An upgrade and a restore after a disaster make a new server: the backups of the old one are still
        this home's.
        """
        try:
            return tuple(self.layout.identities.read_text().split())
        except FileNotFoundError:
            return ()

    def _remember(self, identifier: str) -> None:
        known = self.identities()
        if identifier not in known:
            home = self.layout.home.stat()
            # root looks after another user's home: what it leaves there must be that user's.
            owner = Account(home.st_uid, home.st_gid) if os.geteuid() == 0 else None
            self._write(self.layout.identities, "".join(f"{one}\n" for one in (*known, identifier)), owner)

    def _spawn_keeper(self, account: Account | None) -> None:
        keeper = open_lock(self.layout.lock_file("keeper"))
        users = open_lock(self.layout.lock_file("users"))
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # one is there
        else:
            fcntl.flock(keeper, fcntl.LOCK_UN)
            pgtools.spawn_keeper(
                self.tools,
                self.layout.data,
                users_fd=users,
                keeper_fd=keeper,
                marker=self.layout.keep_marker,
                account=account,
            )
        finally:
            os.close(keeper)
            os.close(users)

    def _write(self, path: Path, text: str, account: Account | None) -> None:
        """Replace a file of the data directory, whole or not at all.

        Raises:
            ToolError: it cannot be written.
        """
        temporary = path.with_name(path.name + ".new")
        try:
            temporary.write_text(text)
        except OSError as error:
            # A write that fails does not say to which file.
            told = f"the embedded server cannot be started: {error.strerror}: {path}"
            raise ToolError(told, hint="redclust doctor disk") from error
        temporary.chmod(0o600)
        if account is not None:
            os.chown(temporary, account.uid, account.gid)
        temporary.rename(path)


def locate(home: Path, settings: DatabaseSettings) -> Embedded:
    """The embedded server of a home directory, which is not touched; for the tools' copy see ``layout``."""
    tools = pgtools.find_tools(settings.bin_dir)
    return Embedded(Layout(home), layouts.reachable_tools(tools))


def _take_now(users: int) -> None:
    """The exclusive lock unless a command holds it; a keeper that is stopping the server is waited for."""
    for attempt in range(3):
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == 2:
                raise
            # A keeper may have come in between: to change a lock is to let it go first.
            time.sleep(0.05)
        else:
            return


def give(tree: Path, account: Account | None) -> None:
    """Make an account the owner of a tree; None leaves it to this process' own user."""
    if account is None:
        return
    for directory, _, files in os.walk(tree):
        for name in (".", *files):
            os.chown(Path(directory, name), account.uid, account.gid, follow_symlinks=False)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _tail(log: Path, lines: int = 4) -> str:
    try:
        return " / ".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
