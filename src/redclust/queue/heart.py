"""The heartbeat: a thread and a connection of its own, so that no page and no request can stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from redclust import __version__
from redclust.config import QueueSettings
from redclust.db.connect import Connection
from redclust.errors import RedclustError
from redclust.queue.claims import rescue
from redclust.queue.lease import Lease
from redclust.sql import query

#: Seconds that the end of a worker waits for a beat on its way to a database that does not answer.
STOP_S = 2.0


class Heart:
    """Beats every ``heartbeat_s`` for one worker and its leases, and takes from others what is stuck.

    Whatever the database does, it goes on trying; a lease whose beats do not arrive is another's after
    ``lease_s``, and the fence then keeps this worker from writing.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        worker: dict[str, Any],
        settings: QueueSettings,
        say: Callable[[str], None],
    ) -> None:
        self._connect, self._worker, self._settings, self._say = connect, worker, settings, say
        self._leases: set[Lease] = set()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat, the first time before this returns: a worker that works is known.

        Raises:
            RedclustError: the database cannot be reached even once.
        """
        self._connection = self._connect()
        self._beat(self._connection)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; the worker is no longer among the living."""
        self._stop.set()
        self._thread.join(STOP_S)
        if self._connection is not None and not self._thread.is_alive():
            with suppress(psycopg.Error):  # it is forgotten after a day
                self._connection.execute(query("queue", "leave"), {"worker": self._worker["worker"]})
            self._connection.close()

    def hold(self, lease: Lease) -> None:
        with self._guard:
            self._leases.add(lease)

    def release(self, lease: Lease) -> None:
        with self._guard:
            self._leases.discard(lease)

    def _run(self) -> None:
        while not self._stop.wait(self._settings.heartbeat_s):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._beat(self._connection)
                for one in rescue(self._connection, self._settings):
                    self._say(str(one))
                self._connection.execute(query("queue", "forget_workers"))
            except (psycopg.Error, RedclustError) as error:
                self._lose(error)
            else:
                if self._silent:
                    self._say("the heartbeat reaches the database again")
                self._silent = False

    def _beat(self, connection: Connection) -> None:
        with self._guard:
            leases = list(self._leases)
        nothing = {"id": None, "token": None}
        for lease in leases or [None]:
            held = lease.identity if lease else nothing
            values = {**self._worker, **held, "version": __version__, "lease_s": self._settings.lease_s}
            row = connection.execute(query("queue", "beat"), values).fetchone()
            if lease is not None and row is not None:
                lease.seen(held=row[0], pause=row[1], schema_version=row[2])

    def _lose(self, error: Exception) -> None:
        if not self._silent:
            self._say(f"the heartbeat does not reach the database: {' '.join(str(error).split())}")
        self._silent = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None
