"""``db locks``: who holds which lock on what, and who wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db.connect import Connector
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock that is held, or, not ``granted``, wanted since ``waits_since``.

    ``pid`` is None of a prepared transaction, whose name stands for the application's.
    """

    pid: int | None
    application: str
    user: str | None
    state: str | None
    on: str
    mode: str
    granted: bool
    transaction_at: datetime | None
    waits_since: datetime | None


@dataclass(frozen=True, slots=True)
class LocksReport(Report):
    """The locks of one database, those that are wanted first; ``every``: also those of ordinary work."""

    verb: ClassVar[str] = "db.locks"
    database: str
    every: bool
    locks: tuple[Lock, ...]

    @property
    def waiting(self) -> int:
        return sum(not one.granted for one in self.locks)


def locks(connector: Connector, *, every: bool) -> LocksReport:
    """One look at the server's own view; waits for nothing."""
    with connector.connect(autocommit=True) as connection:
        found: list[Lock] = []
        for row in connection.execute(query("incidents", "locks"), {"every": every}):
            pid, application, user, state, on, keys, mode, granted, transaction_at, waits_since = row
            if keys is not None:
                on = _advisory(*keys)
            found.append(Lock(pid, application, user, state, on, mode, granted, transaction_at, waits_since))
        return LocksReport(connection.info.dbname, every, tuple(found))


def _advisory(kind: int, number: int) -> str:
    if kind != LOCK_CLASS:
        return f"advisory {kind}, {number}"
    known = {int(name): name.name.lower() for name in LockName}
    return f"redclust's {known.get(number, str(number))}"
