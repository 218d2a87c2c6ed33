"""Where a refresh writes: one transaction a page, on a session that outlives a restart of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity
from psycopg import errors as pg

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.reddit.lasting import Lasting
from redclust.sql import query
from redclust.store.pages import PageWriter

T = TypeVar("T")


class Store:
    """One session; not for two threads."""

    def __init__(self, database: Database, sleep: Callable[[float], None]) -> None:
        self._lasting = Lasting(
            lambda: database.connect(bulk=True, autocommit=True, role="refresh"), self._begin, sleep
        )
        self._writer: PageWriter | None = None

    def close(self) -> None:
        self._lasting.close()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Statements that may be run twice."""
        return self._lasting.run(work)

    def page(self, work: Callable[[Connection, PageWriter], T]) -> T:
        """One transaction; once more where the connection ended or writers met in a ring."""

        def whole(connection: Connection) -> T:
            try:
                with connection.transaction():
                    writer = self._writer = self._writer or PageWriter(connection)
                    writer.begin()
                    return work(connection, writer)
            except BaseException:
                # Its temporary tables may be gone with the transaction.
                self._writer = None
                raise

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((pg.DeadlockDetected, pg.SerializationFailure)),
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_random(0, 0.2),
            reraise=True,
        )
        return retrying(lambda: self._lasting.run(whole))

    def _begin(self, connection: Connection) -> None:
        self._writer = None
        connection.execute(query("refresh", "room_to_sort"))
