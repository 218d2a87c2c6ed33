"""``db start|stop|restart|status|url|psql``: the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust import pgtools
from redclust.config import Loaded
from redclust.db import embedded, schema
from redclust.db.connect import Connector
from redclust.db.embedded import Embedded
from redclust.db.target import MAINTENANCE_DATABASE, external
from redclust.errors import Locked, UsageError
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class ServerReport(Report):
    """What became of the embedded server: ``started``, ``running``, ``stopped`` or ``not running``."""

    verb: ClassVar[str] = "db.server"
    state: str
    data_dir: str
    url: str


@dataclass(frozen=True, slots=True)
class StatusReport(Report):
    verb: ClassVar[str] = "db.status"
    kind: str
    database: str
    url: str
    running: bool
    kept: bool
    server_version: str | None
    size_bytes: int | None
    started_at: datetime | None
    schema_state: str | None
    schema_version: int | None
    data_dir: str | None
    log_file: str | None


def start(loaded: Loaded) -> ServerReport:
    """Start the embedded server and let it stay.

    Raises:
        UsageError: the database is an external one.
    """
    own = _own(loaded, "db start")
    was = own.layout.initialised and own.running()
    with own.in_use() as target:
        own.keep()
        schema.migrate(Connector(target, loaded.settings.database, "start"))
        return ServerReport("running" if was else "started", str(own.layout.data), target.url())


def stop(loaded: Loaded, *, force: bool = False) -> ServerReport:
    """Stop the embedded server.

    Raises:
        UsageError: the database is an external one.
        Locked: other commands use it and ``force`` is not given; says which.
    """
    own = _own(loaded, "db stop")
    if not own.layout.initialised:
        return ServerReport("not running", str(own.layout.data), "")
    if force:
        return _stopped(own)
    try:
        with own.alone(wait=False):
            # A command that was given the server's URL holds a session only.
            if others := _sessions(own, loaded):
                raise _in_use(others)
            return _stopped(own)
    except BlockingIOError:
        raise _in_use(_sessions(own, loaded)) from None


def _stopped(own: Embedded) -> ServerReport:
    return ServerReport("stopped" if own.stop() else "not running", str(own.layout.data), "")


def _in_use(sessions: list[str]) -> Locked:
    named = ", ".join(sessions) or "a command that has no session at this moment"
    return Locked(f"the server is in use by {named}", hint="wait for it, or add --force")


def _sessions(own: Embedded, loaded: Loaded) -> list[str]:
    """redclust's commands on the server, each with its server process; none where it takes no connections."""
    if not own.running():
        return []
    connector = Connector(own.target().on(MAINTENANCE_DATABASE), loaded.settings.database, "stop")
    with connector.connect(autocommit=True) as connection:
        return [
            f"{name} (server process {pid})" for pid, name, _ in connection.execute(query("db", "sessions"))
        ]


def restart(loaded: Loaded, *, force: bool = False) -> ServerReport:
    """Stop, then start to stay; for the raised errors see :func:`stop`."""
    stop(loaded, force=force)
    return start(loaded)


def status(loaded: Loaded) -> StatusReport:
    """What database there is and how it is; an embedded one is not started for the question.

    Raises:
        DatabaseUnreachable: an external database does not answer.
    """
    target = external(loaded.settings.database)
    own = embedded.locate(loaded.home, loaded.settings.database) if target is None else None
    running = own is None or (own.layout.initialised and own.running())
    found = target or (own.target() if own and own.layout.initialised else None)
    version = size = started = state = at = None
    if found is not None and running:
        with Connector(found, loaded.settings.database, "status").connect(autocommit=True) as connection:
            row = connection.execute(query("db", "server_facts")).fetchone()
            version, size, started = row or (None, None, None)
            inspected = schema.inspect(connection)
            state, at = inspected.state.value, max((a.version for a in inspected.applied), default=0)
    return StatusReport(
        kind="external" if own is None else "embedded",
        database=found.describe() if found else "not made yet",
        url=found.url() if found else "",
        running=running,
        kept=own is not None and own.layout.keep_marker.exists(),
        server_version=version,
        size_bytes=size,
        started_at=started,
        schema_state=state,
        schema_version=at,
        data_dir=str(own.layout.data) if own else None,
        log_file=str(own.layout.log) if own else None,
    )


def url(loaded: Loaded) -> str:
    """The database's URL without its password; an embedded one is made if it is not there yet."""
    target = external(loaded.settings.database)
    if target is not None:
        return target.url()
    own = embedded.locate(loaded.home, loaded.settings.database)
    if not own.layout.initialised:
        with own.in_use():
            pass
    return own.target().url()


def psql(connector: Connector, loaded: Loaded, arguments: Sequence[str]) -> int:
    """Hand the terminal to psql; its exit code."""
    tools = pgtools.find_tools(loaded.settings.database.bin_dir)
    return pgtools.psql(tools, arguments, env=connector.environment())


def _own(loaded: Loaded, verb: str) -> Embedded:
    target = external(loaded.settings.database)
    if target is not None:
        raise UsageError(
            f"{verb} is about the embedded server, but {target.source} names an external one "
            f"({target.describe()})",
            hint="use its own tools (systemctl, pg_ctl)",
        )
    return embedded.locate(loaded.home, loaded.settings.database)
