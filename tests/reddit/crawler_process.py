"""One crawler in a process of its own: asks for one page again and again until it is told to end.

``python crawler_process.py CONNINFO SETTINGS_JSON NAME``. Writes ``ready`` when it has its client, goes on at
a line of standard input, and ends when standard input does. Each failure is a line.
"""

from __future__ import annotations

import json
import sys
import threading

from redclust.config import DatabaseSettings, RedditSettings
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import RedditRefused
from redclust.reddit.budget import Lane
from redclust.reddit.client import Client
from redclust.reddit.failures import Interrupted


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    conninfo, told, name = sys.argv[1:4]
    options = json.loads(told)
    lane = Lane(options.pop("lane", "crawl"))
    settings = RedditSettings.model_validate(options)
    database = Database(
        Connector(Target(conninfo, embedded=False, source="test"), DatabaseSettings(), "test")
    )
    ended = threading.Event()
    with Client(settings, database, lane=lane, interrupt=ended) as client:
        say("ready")
        sys.stdin.readline()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        while not ended.is_set():
            try:
                client.about(name)
            except Interrupted:
                break
            except RedditRefused as error:
                say(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
