"""What the crawls of one worker share: its place in the queue, its way to Reddit, its writer of pages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity
from psycopg import errors as pg

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.queue import Lease, Worker
from redclust.reddit.client import Client
from redclust.store.pages import PageWriter

T = TypeVar("T")


class Hands:
    """``stopped`` is set when the process is to end after the page in hand."""

    def __init__(self, worker: Worker, client: Client, settings: Settings, stopped: threading.Event) -> None:
        self.worker, self.client, self.settings, self.stopped = worker, client, settings, stopped
        self._pages: PageWriter | None = None
        self._pages_on: Connection | None = None
        self._told = client.requests

    def untold_requests(self) -> int:
        """Requests sent since this was last asked."""
        before, self._told = self._told, self.client.requests
        return self._told - before

    def page(self, lease: Lease, work: Callable[[Connection, PageWriter], T]) -> T:
        """``work`` in a page's transaction; once more where the connection ended or writers met in a ring."""

        def whole(connection: Connection) -> T:
            try:
                pages = self._writer_on(connection)
                pages.begin()
                return work(connection, pages)
            except BaseException:
                # Its temporary tables may be gone with the transaction.
                self._pages = None
                raise

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((pg.DeadlockDetected, pg.SerializationFailure)),
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_random(0, 0.2),
            reraise=True,
        )
        return retrying(lambda: self.worker.write(lease, whole))

    def _writer_on(self, connection: Connection) -> PageWriter:
        if self._pages is None or self._pages_on is not connection:
            self._pages, self._pages_on = PageWriter(connection), connection
        return self._pages
