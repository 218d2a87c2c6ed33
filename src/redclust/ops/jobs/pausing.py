"""``jobs pause`` and ``jobs resume``: hold the whole queue back, and let it go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redclust import queue
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.queue import Pause
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class PauseReport(Report):
    """``pauses`` holds the queue back now; ``crawling`` jobs are still in the hands of workers.

    Not ok where the queue was to go on and somebody else's pause is left.
    """

    verb: ClassVar[str] = "jobs.pause"
    pauses: tuple[Pause, ...]
    crawling: int
    resumed: bool

    @property
    def ok(self) -> bool:
        return not (self.resumed and self.pauses)


def pause(database: Database, reason: str) -> PauseReport:
    """From now on nothing is claimed, and workers hand their jobs back after the page in hand."""
    with database.connect(autocommit=True) as connection:
        queue.pause(connection, reason)
        return _report(connection, resumed=False)


def resume(database: Database, *, everybody: bool) -> PauseReport:
    """End the operator's pause, and with ``everybody`` those of a restore too."""
    with database.connect(autocommit=True) as connection:
        queue.resume(connection)
        for one in queue.pauses(connection) if everybody else ():
            queue.resume(connection, holder=one.holder)
        return _report(connection, resumed=True)


def _report(connection: Connection, *, resumed: bool) -> PauseReport:
    return PauseReport(tuple(queue.pauses(connection)), queue.depth(connection).crawling, resumed)
