"""A long statement of one session, looked at from another while it runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import psycopg
from psycopg import sql

from redclust.db.connect import Connection

#: Seconds between two looks.
LOOK_EVERY_S = 0.25


def run(
    session: Connection,
    statement: sql.Composed,
    look: Callable[[], None],
    *,
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Run a statement in a thread and call ``look`` in this one until it has ended.

    Whatever ``look`` raises, and an interrupt, cancels the statement; it has ended when this returns.

    Raises:
        psycopg.Error: what the statement raises.
    """
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, statement)
        try:
            while not wait([running], timeout=every_s).done:
                look()
        except BaseException:
            with suppress(psycopg.Error):
                if not running.done():
                    session.cancel_safe(timeout=5)
            raise
        running.result()
