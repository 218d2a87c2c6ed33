"""What ``doctor`` and ``metrics`` judge by: every fact, or why it could not be had."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg

from redclust import duration
from redclust.config import Loaded
from redclust.db import disk, embedded, history, schema, session, tables
from redclust.db.connect import Connection, Connector
from redclust.db.failures import in_words
from redclust.db.session import Database
from redclust.db.target import external
from redclust.errors import RedclustError
from redclust.ops import backup, crawl, db, integrity, precalc
from redclust.ops.backup.listing import Line
from redclust.ops.doctor import log_errors
from redclust.ops.doctor.disk import Disk
from redclust.ops.doctor.log_errors import LogErrors
from redclust.report import Silent
from redclust.sql import query

T = TypeVar("T")
#: Pages are looked at for so long to confirm what is estimated to be bloated.
_BLOAT_BUDGET_S = 5.0
#: A slot in the request budget is waited for so long.
_REDDIT_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be had.

    ``ground`` names what it stands on and is not there itself; ``never`` is what was never set up.
    """

    reason: str
    ground: str = ""
    never: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """``ahead_s`` is how far its clock is ahead of ours."""

    version: str
    started_at: datetime
    ahead_s: float
    embedded: bool


@dataclass(frozen=True, slots=True)
class Crawling:
    """``outcomes``: completed and failed crawls, and tries that are made again, within ``within_s``."""

    status: crawl.StatusReport
    within_s: float
    completed: int
    failed: int
    retried: int
    failed_jobs: int
    jobs: int
    oldest_ready_at: datetime | None
    stuck: int

    @property
    def success_ratio(self) -> float | None:
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


@dataclass(frozen=True, slots=True)
class Graph:
    """``data_at`` is when the newest data came that an import or a crawl has written down."""

    status: precalc.PrecalcStatusReport
    has_data: bool
    has_nodes: bool
    data_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ages:
    size_bytes: int
    xid_age: int
    multixact_age: int


@dataclass(frozen=True, slots=True)
class Backups:
    status: backup.StatusReport
    backups: tuple[Line, ...]

    @property
    def drilled_at(self) -> datetime | None:
        level = backup.Level.RESTORE.value
        times = [one.checked_at for one in self.backups if one.own and one.level == level and one.checked_at]
        return max(times, default=None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whether Reddit's API can be asked; ``asked`` where it was, ``refused`` where it did not let us in."""

    any: bool
    complete: bool
    asked: bool
    refused: bool
    told: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Tables with the server's running counts; nodes and links of the graph by type, counted."""

    tables: tuple[tables.Table, ...]
    nodes: dict[str, int]
    links: dict[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was gathered at ``at``; ``data_disk`` is None where it is another machine's."""

    at: datetime
    server: Server | Missing
    schema: schema.Schema | Missing
    disks: tuple[Disk, ...] | Missing
    data_disk: Path | Missing | None
    backup_disk: Path | Missing
    connections: db.ConnectionsReport | Missing
    activity: db.ActivityReport | Missing
    ages: Ages | Missing
    invalid_indexes: tuple[str, ...] | Missing
    backups: Backups | Missing
    crawling: Crawling | Missing
    graph: Graph | Missing
    runs: dict[str, history.Run] | Missing
    bloat: integrity.BloatReport | Missing
    server_log: LogErrors | Missing
    own_log: LogErrors | Missing
    credentials: Credentials
    counts: Counts | Missing


def gather(loaded: Loaded, *, ask_reddit: bool = False, counted: bool = False) -> Facts:
    """Look at everything once; starts the embedded server where there is one, and makes nothing.

    ``ask_reddit`` sends one request, within the budget, to see whether the credentials are accepted.
    ``counted`` counts the graph too, which reads every link (about a second for five million).
    """
    facts = _without_database(loaded, Missing("not looked at"))
    connected = False
    try:
        with _opened(loaded) as connector:
            if connector is None:
                return _without_database(loaded, Missing("no database was made yet", never=True))
            with connector.connect(autocommit=True) as connection:
                connected = True
                facts = _of_server(facts, loaded, connector, connection)
                fits = not isinstance(facts.schema, Missing) and facts.schema.state is schema.State.CURRENT
                if not fits:
                    ground = Missing("the schema is not this version's", ground="schema")
                    if isinstance(facts.schema, Missing):
                        ground = Missing(facts.schema.reason, ground="schema")
                    return replace(facts, crawling=ground, graph=ground, runs=ground, bloat=ground)
                facts = _of_schema(facts, loaded, Database(connector), connection)
                if ask_reddit and facts.credentials.complete:
                    facts = replace(facts, credentials=_asked(loaded, Database(connector)))
                if counted:
                    facts = replace(facts, counts=part(lambda: _counts(connection)))
                return facts
    except (RedclustError, psycopg.Error, OSError) as error:
        if connected:
            raise
        return _without_database(loaded, Missing(told(error)))


def _without_database(loaded: Loaded, server: Missing) -> Facts:
    """What can be seen without it."""
    reason = "there is no database" if server.never else "the database does not answer"
    nothing = Missing(reason, ground="database")
    return Facts(
        datetime.now(UTC),
        server=server,
        schema=nothing,
        disks=part(lambda: _disks(loaded)),
        data_disk=nothing,
        backup_disk=_backup_disk(loaded),
        connections=nothing,
        activity=nothing,
        ages=nothing,
        invalid_indexes=nothing,
        backups=part(lambda: Backups(backup.status(loaded), backup.ls(loaded).backups)),
        crawling=nothing,
        graph=nothing,
        runs=nothing,
        bloat=nothing,
        server_log=_log(log_errors.of_server, loaded, "there is no log of an embedded server"),
        own_log=_log(log_errors.of_redclust, loaded, "redclust has no log file yet"),
        credentials=_credentials(loaded),
        counts=nothing,
    )


def part(look: Callable[[], T]) -> T | Missing:
    """What ``look`` finds, or why it finds nothing."""
    try:
        return look()
    except (RedclustError, psycopg.Error, OSError) as error:
        reason = told(error)
        # A role that may not look has found nothing wrong.
        return Missing(reason, ground="rights" if "Permission denied" in reason else "")


def told(error: Exception) -> str:
    """In one line, without secrets."""
    if isinstance(error, psycopg.Error):
        return str(in_words(error) or " ".join(str(error).split()))
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return str(error)


@contextmanager
def _opened(loaded: Loaded) -> Generator[Connector | None]:
    own = external(loaded.settings.database) is None
    if own and not embedded.locate(loaded.home, loaded.settings.database).layout.initialised:
        yield None
        return
    with session.server(loaded, "doctor") as connector:
        yield connector


def _of_server(facts: Facts, loaded: Loaded, connector: Connector, connection: Connection) -> Facts:
    data = disk.data_directory(connection, connector.target)
    local = connector.target.embedded or connection.info.host.startswith("/")
    hidden = Missing("this role may not know where the data is") if local else None
    disks = facts.disks
    if data is not None and not isinstance(disks, Missing):
        disks = (*disks, _disk("database", data))
    return replace(
        facts,
        server=part(lambda: _server(connector, connection)),
        schema=part(lambda: schema.inspect(connection)),
        disks=disks,
        data_disk=hidden if data is None else data,
        connections=part(lambda: db.connections(connector)),
        activity=part(lambda: db.activity(connector, longer_than_s=0)),
        ages=part(lambda: _ages(connection)),
        invalid_indexes=part(
            lambda: tuple(str(name) for (name,) in connection.execute(query("doctor", "invalid_indexes")))
        ),
    )


def _of_schema(facts: Facts, loaded: Loaded, database: Database, connection: Connection) -> Facts:
    settings = loaded.settings
    return replace(
        facts,
        crawling=part(lambda: _crawling(database, connection, loaded)),
        graph=part(lambda: _graph(database, connection)),
        runs=part(lambda: history.newest_of_each(connection)),
        bloat=part(
            lambda: integrity.bloat(database, settings.maintenance, (), Silent(), budget_s=_BLOAT_BUDGET_S)
        ),
    )


def _server(connector: Connector, connection: Connection) -> Server:
    asked_s = time.time()
    ((version, now, started_at),) = connection.execute(query("doctor", "server")).fetchall()
    between_s = (asked_s + time.time()) / 2
    return Server(str(version), started_at, now.timestamp() - between_s, connector.target.embedded)


def _ages(connection: Connection) -> Ages:
    ((size_bytes, _, xid_age, multixact_age, *_),) = connection.execute(
        query("stats", "database_figures")
    ).fetchall()
    return Ages(size_bytes, xid_age, multixact_age)


def _crawling(database: Database, connection: Connection, loaded: Loaded) -> Crawling:
    within_s = duration.seconds(loaded.settings.doctor.crawl_window)
    counts = connection.execute(query("doctor", "outcomes"), {"within_s": within_s}).fetchall()
    ((completed, failed, retried, failed_jobs, jobs),) = counts
    stuck_s = loaded.settings.queue.stuck_after_min * 60
    ((oldest, stuck),) = connection.execute(query("doctor", "waiting"), {"stuck_s": stuck_s}).fetchall()
    return Crawling(
        status=crawl.status(database),
        within_s=within_s,
        completed=completed,
        failed=failed,
        retried=retried,
        failed_jobs=failed_jobs,
        jobs=jobs,
        oldest_ready_at=oldest,
        stuck=stuck,
    )


def _graph(database: Database, connection: Connection) -> Graph:
    row = connection.execute(query("doctor", "data")).fetchall()[0]
    return Graph(precalc.status(database, limit=10), *row)


def _credentials(loaded: Loaded) -> Credentials:
    given = loaded.settings.reddit
    values = {
        "REDDIT_CLIENT_ID": given.client_id,
        "REDDIT_CLIENT_SECRET": given.client_secret,
        "REDDIT_USER_AGENT": given.user_agent,
    }
    lacking = [name for name, value in values.items() if not value]
    told = f"{' and '.join(lacking)} not set" if lacking else "set; not asked (--ask-reddit)"
    return Credentials(len(lacking) < len(values), not lacking, asked=False, refused=False, told=told)


def _asked(loaded: Loaded, database: Database) -> Credentials:
    from redclust.reddit.client import Client
    from redclust.reddit.failures import Capped, CredentialsRefused, Interrupted, Unavailable

    try:
        with Client(loaded.settings.reddit, database, max_wait_s=_REDDIT_WAIT_S) as client:
            client.about("reddit")
    except Unavailable:
        pass
    except CredentialsRefused as error:
        return Credentials(any=True, complete=True, asked=True, refused=True, told=str(error))
    except (RedclustError, Interrupted, Capped) as error:
        told = f"set; whether they are accepted could not be seen: {error}"
        return Credentials(any=True, complete=True, asked=False, refused=False, told=told)
    return Credentials(any=True, complete=True, asked=True, refused=False, told="set and accepted")


def _counts(connection: Connection) -> Counts:
    nodes = {str(row[0]): int(row[1]) for row in connection.execute(query("graph", "count_nodes"))}
    links = {str(row[0]): int(row[1]) for row in connection.execute(query("graph", "count_links"))}
    return Counts(tuple(tables.tables(connection)), nodes, links)


def _disks(loaded: Loaded) -> tuple[Disk, ...]:
    found = [_disk("home", loaded.home)]
    place = _backup_disk(loaded)
    if not isinstance(place, Missing):
        found.append(_disk("backups", place))
    return tuple(found)


def _disk(what: str, path: Path) -> Disk:
    import shutil

    while not path.exists():
        path = path.parent
    total, _, free = shutil.disk_usage(path)
    return Disk(what, str(path), total, free)


def _backup_disk(loaded: Loaded) -> Path | Missing:
    target = loaded.settings.backup.target
    if target is not None and "://" in target:
        return Missing("backups are not on a disk of this machine")
    return (loaded.home / (target or "backups")).absolute()


def _log(look: Callable[[Loaded], LogErrors | None], loaded: Loaded, never: str) -> LogErrors | Missing:
    found = part(lambda: look(loaded))
    return Missing(never, never=True) if found is None else found
