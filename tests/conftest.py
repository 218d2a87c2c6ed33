"""The frame of the tests: a real server, a clone of a migrated database a test, the installed command."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from harness import (
    TEMPLATE,
    Clones,
    ExternalServer,
    Redclust,
    dispose,
    maintenance,
    open_directory,
    own_server,
    settings_for,
    take_settings_out,
)
from redclust import pgtools
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.site import Site
from redclust.rehearsal.world import World
from warm import Warm

# Which Postgres to test on; the wheel's where it is not set.
_named = os.environ.get("REDCLUST_TEST_BIN_DIR")
BIN_DIR = Path(_named) if _named else None
# Building matplotlib's font cache takes seconds: a changed HOME must not lose it.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))


def pytest_configure(config: pytest.Config) -> None:
    # Who only starts other processes leaves them what it was told: the Postgres to test on, the full counts.
    only_starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not only_starts_others:
        own = dict(os.environ)
        take_settings_out(own)
        for name in set(os.environ) - set(own):
            del os.environ[name]
    # `timeout` and CI end a run by SIGTERM: servers and directories go then too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell ignores SIGINT for what it starts in the background, and every child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    # Most tests wait (for a server, a lease, an answer that is late by intent) as long as they work.
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Else one worker is at it when all others have nothing left.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_report_header() -> str:
    tools = pgtools.find_tools(BIN_DIR)
    libpq = psycopg.pq.version()
    return (
        f"postgres: {tools.version} ({tools.bin_dir}), psycopg {psycopg.__version__}, "
        f"libpq {libpq // 10000}.{libpq % 10000}"
    )


@pytest.fixture
def told_at_the_end(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """``told_at_the_end(line)``: what the summary says of this test, also where another process ran it."""
    return lambda line: record_property("told", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, line in report.user_properties:
                if name == "told":
                    terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def bin_dir() -> Path | None:
    """The directory of the Postgres that the tests run on; None for the wheel's."""
    return BIN_DIR


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Path:
    """The real dumps, kept beside the repository."""
    path = (pytestconfig.rootpath / ".." / "shared" / "data").resolve()
    if not path.is_dir():
        pytest.skip(f"no real data: {path} is not there")
    return path


@pytest.fixture(scope="session", autouse=True)
def work_dir() -> Iterator[Path]:
    """Of the whole session; HOME points into it, so that no file of the caller is read or written."""
    directory = open_directory()
    (directory / "user").mkdir(mode=0o777)
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(directory / "user")
    yield directory
    if before is None:
        del os.environ["HOME"]
    else:
        os.environ["HOME"] = before
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def server(work_dir: Path) -> Iterator[Target]:
    """An embedded server with a migrated template database, kept by redclust for the whole session."""
    home = work_dir / "session"
    own = own_server(home, BIN_DIR)
    settings = settings_for(BIN_DIR).database
    try:
        with own.in_use() as target:
            with maintenance(target) as connection:
                # Thrown away with the session: what a test's own server promises is tested on that one.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            schema.migrate(Connector(target.on(TEMPLATE), settings, "test"))
            yield target
            own.stop()
    finally:
        dispose(home)


@pytest.fixture
def clones(server: Target) -> Iterator[Clones]:
    clones = Clones(server, [])
    yield clones
    clones.drop()


@pytest.fixture
def database(clones: Clones) -> Database:
    """A migrated database that this test has for itself."""
    return Database(Connector(clones.make(), settings_for(BIN_DIR).database, "test"))


@pytest.fixture
def empty_database(clones: Clones) -> Connector:
    """A database without any table."""
    return Connector(clones.make(empty=True), settings_for(BIN_DIR).database, "test")


@pytest.fixture
def redclust(request: pytest.FixtureRequest, work_dir: Path, warm: Callable[[], Warm]) -> Iterator[Redclust]:
    """``redclust("db", "status", check=0)``: the command, on the test's ``database`` or a home.

    Calls are forks of one interpreter that has the modules, but for those with ``fresh=True``.
    """

    def clone_url() -> str:
        database: Database = request.getfixturevalue("database")
        return database.target.url()

    command = Redclust(work_dir / "user", BIN_DIR, clone_url, warm=warm)
    yield command
    command.end()


@pytest.fixture(scope="session")
def warm(work_dir: Path) -> Iterator[Callable[[], Warm]]:
    """What ``redclust`` is forked from; made by the first who asks."""
    made: list[Warm] = []

    def get() -> Warm:
        if not made:
            made.append(Warm.start(open_directory(work_dir)))
        return made[0]

    yield get
    for one in made:
        one.end()


@pytest.fixture
def make_home(work_dir: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Path]]:
    """``make_home("name", parent=…)``: a place for a REDCLUST_HOME; its server is gone after the test."""
    made: list[Path] = []
    base = open_directory(work_dir)

    def make(name: str = "home", parent: Path | None = None) -> Path:
        home = (parent or base) / name
        made.append(home)
        return home

    yield make
    for home in reversed(made):
        dispose(home)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def home(make_home: Callable[..., Path]) -> Path:
    """A home that does not exist yet, in a directory that others may pass through."""
    return make_home()


@pytest.fixture(scope="session")
def small_world() -> World:
    """Fifty subreddits of an invented Reddit; quick to make, and the same in every test."""
    return World.generate(11, subreddits=50, users=400, communities=5, posts=1_500, comments=9_000)


@pytest.fixture
def rehearse(small_world: World) -> Iterator[Callable[..., Rehearsal]]:
    """``rehearse(world, caps=…, budget=…)``: a served Reddit until the end of the test; nearly no limit."""
    with ExitStack() as stack:

        def start(world: World | Site = small_world, **options: Any) -> Rehearsal:
            options.setdefault("budget", Budget(10_000_000))
            return stack.enter_context(serve(world, **options))

        yield start


@pytest.fixture(scope="session")
def external(bin_dir: Path | None) -> Iterator[ExternalServer]:
    """A Postgres reached over TCP with a password."""
    directory = open_directory()
    server = ExternalServer.make(directory, bin_dir)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
