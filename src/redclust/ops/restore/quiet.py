"""The live database at rest: crawlers paused, and who else is connected."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import psycopg

from redclust import queue
from redclust.db.connect import Connection, Connector
from redclust.db.databases import Session
from redclust.errors import RedclustError
from redclust.ops.restore import live as looks
from redclust.report import Progress

#: Whose pause of the queue it is.
HOLDER = "restore"
#: How long a page in hand is waited for; a worker that is ended in its middle does it again.
_PAGE_S = 60
_LOOK_EVERY_S = 0.25
#: redclust's own that go on by themselves after their sessions were ended: they connect again, and find the
#: restored database.
_LOOPS = ("redclust crawl", "redclust backup every", "redclust precalc")
#: These work under the lock that a restore takes for itself: what it finds of them afterwards only waits.
_LOCKING = (
    "redclust backup",
    "redclust restore",
    "redclust maintenance",
    "redclust vacuum",
    "redclust reindex",
    "redclust integrity clean",
    "redclust integrity repair",
    "redclust migrate",
)


def is_loop(one: Session) -> bool:
    """Whether a session belongs to a loop or crawler of redclust's own."""
    return one.application.startswith(_LOOPS)


def is_waited_for(one: Session) -> bool:
    """Whether a session's work ends before the lock is ours; whoever else of redclust's has work in hand."""
    return one.application.startswith(_LOCKING)


@contextmanager
def paused(live: Connector, reason: str, progress: Progress) -> Generator[None]:
    """Hold the queue back until the block ends; pages in hand are waited for, a minute at most.

    A killed run leaves its pause: the next restore, or :func:`lift`, ends it. Does nothing where the
    database has no queue.
    """
    with live.connect(autocommit=True) as connection:
        there = looks.has_queue(connection)
        if there:
            queue.pause(connection, reason, holder=HOLDER)
    if not there:
        yield
        return
    try:
        _await_rest(live, progress)
        yield
    finally:
        # After the exchange of names this is another database, and a failed one may be out of reach: neither
        # is a reason to forget why.
        with suppress(psycopg.Error, RedclustError), live.connect(autocommit=True) as connection:
            lift(connection)


def lift(connection: Connection) -> bool:
    """End the pause of a restore in this database; False where there was none."""
    return queue.resume(connection, holder=HOLDER)


def _await_rest(live: Connector, progress: Progress) -> None:
    deadline = time.monotonic() + _PAGE_S
    with progress.task("waiting for the crawlers"), live.connect(autocommit=True) as connection:
        while time.monotonic() < deadline and queue.depth(connection).crawling:
            time.sleep(_LOOK_EVERY_S)
