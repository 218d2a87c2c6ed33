"""Crawlers, each a process of its own, that ask for one page again and again until standard input ends.

``python crawler_process.py COUNT CONNINFO SETTINGS_JSON NAME``. Each failure is a line on standard output.
"""

from __future__ import annotations

import os
import sys
import threading

from redclust.config import DatabaseSettings, RedditSettings
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import RedditRefused
from redclust.reddit.client import Client
from redclust.reddit.failures import Interrupted


def crawl(conninfo: str, settings: RedditSettings, name: str) -> None:
    database = Database(
        Connector(Target(conninfo, embedded=False, source="test"), DatabaseSettings(), "test")
    )
    ended = threading.Event()
    threading.Thread(target=lambda: (os.read(0, 1), ended.set()), daemon=True).start()
    with Client(settings, database, interrupt=ended) as client:
        while not ended.is_set():
            try:
                client.about(name)
            except Interrupted:
                break
            except RedditRefused as error:
                os.write(1, f"{type(error).__name__}: {error}\n".encode())


def main() -> None:
    count, conninfo, told, name = sys.argv[1:5]
    settings = RedditSettings.model_validate_json(told)
    # Forked when everything is imported: eight times would cost more than the rest of the test.
    children = [os.fork() for _ in range(int(count)) if os.getpid() == parent]
    if os.getpid() != parent:
        crawl(conninfo, settings, name)
        return
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


if __name__ == "__main__":
    parent = os.getpid()
    main()
