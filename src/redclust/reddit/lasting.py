"""A session that outlives a restart of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
import tenacity

from redclust.db.connect import Connection
from redclust.errors import DatabaseUnreachable

#: How long the server may be away.
PATIENCE_S = 60.0

T = TypeVar("T")


class Lasting:
    """Runs statements on a connection that is opened again, and prepared, when it was lost.

    A statement whose answer was lost may have been committed, and is run again.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        prepare: Callable[[Connection], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._open = open_connection
        self._prepare = prepare
        self._sleep = sleep
        self._connection: Connection | None = None

    def run(self, work: Callable[[Connection], T]) -> T:
        """
        Raises:
            DatabaseUnreachable: the server stayed away for a minute.
            psycopg.Error: anything that waiting does not mend.
        """
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_away),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2) + tenacity.wait_random(0, 0.1),
            stop=tenacity.stop_after_delay(PATIENCE_S),
            sleep=self._sleep,
            reraise=True,
        )
        return again(lambda: work(self._living()))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _living(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
            self._prepare(self._connection)
        return self._connection


def _is_away(error: BaseException) -> bool:
    """The server restarts, ended the session, or has no room for one more."""
    if isinstance(error, DatabaseUnreachable):
        return True
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    return lost and (code is None or code.startswith(("08", "57P", "53300")))
