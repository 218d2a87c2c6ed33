"""``db connections`` and ``db terminate-idle``: how many there are, and ending those that do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db.connect import Connector
from redclust.report import Report
from redclust.sql import query

#: Above this share of the server's connections something should be done.
HIGH_RATIO = 0.8
_WAIT_MS = 5_000
#: How many sessions a question names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Clients:
    """Sessions of one kind; ``oldest_at`` is since when the one that changed last longest ago has not."""

    database: str
    application: str
    user: str
    state: str
    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConnectionsReport(Report):
    """All clients of the server; not ok from 80 % of what it takes.

    ``reserved`` of ``limit`` are for superusers alone.
    """

    verb: ClassVar[str] = "db.connections"
    limit: int
    reserved: int
    used: int
    clients: tuple[Clients, ...]

    @property
    def used_ratio(self) -> float:
        return self.used / max(1, self.limit - self.reserved)

    @property
    def ok(self) -> bool:
        return self.used_ratio < HIGH_RATIO


@dataclass(frozen=True, slots=True)
class IdleSession:
    """One session that did nothing since ``since``; ``state`` afterwards is ``ended``, or why it is not."""

    pid: int
    application: str
    user: str
    was: str
    since: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class IdleReport(Report):
    """Idle sessions of this database; not ok when one could not be ended."""

    verb: ClassVar[str] = "db.terminate-idle"
    database: str
    dry_run: bool
    older_than_s: float
    sessions: tuple[IdleSession, ...]

    def names(self) -> str:
        """Whose they are, for whoever is asked."""
        names = [f"{one.application or 'no name'} ({one.user}, process {one.pid})" for one in self.sessions]
        more = len(names) - _NAMED
        return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

    @property
    def ok(self) -> bool:
        return all(one.outcome in ("would be ended", "ended", "busy again") for one in self.sessions)


def connections(connector: Connector) -> ConnectionsReport:
    """One look at the server's own view."""
    with connector.connect(autocommit=True) as connection:
        ((limit, reserved, used),) = connection.execute(query("incidents", "connection_limits")).fetchall()
        clients = tuple(Clients(*one) for one in connection.execute(query("incidents", "connections")))
    return ConnectionsReport(limit, reserved, used, clients)


def terminate_idle(
    connector: Connector, *, older_than_s: float, in_transaction: bool, dry_run: bool
) -> IdleReport:
    """End sessions of this database that have done nothing for so long, and see that they are gone.

    Never one of redclust, of a backup or of a replica; one that has begun to do something meanwhile is left.
    """
    values = {"older_than_s": older_than_s, "in_transaction": in_transaction}
    with connector.connect(autocommit=True) as connection:
        done: list[IdleSession] = []
        for pid, application, user, state, since, may in connection.execute(
            query("incidents", "idle"), values
        ).fetchall():
            if not may:
                outcome = "this role may not end it (GRANT pg_signal_backend)"
            elif dry_run:
                outcome = "would be ended"
            else:
                asked = {"pid": pid, "state": state, "since": since, "wait_ms": _WAIT_MS}
                row = connection.execute(query("incidents", "terminate"), asked).fetchone()
                outcome = "busy again" if row is None else "ended" if row[0] else "it did not end in time"
            done.append(IdleSession(pid, application, user, state, since, outcome))
        return IdleReport(connection.info.dbname, dry_run, older_than_s, tuple(done))
