"""A worker in a process of its own that crawls nothing: its pages are numbers, its rows are counted.

    python job_worker.py URL SETTINGS_JSON PLAN_JSON

A page is one row in ``test_pages``, committed with the checkpoint. The plan: ``pages`` a job, ``page_s``
between two of them, and ``stop`` (``before`` or ``inside`` a page's transaction) to freeze itself once, at
page 2. Lines on stdout say what happened.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

import psycopg
from pydantic import SecretStr

from redclust.config import DatabaseSettings, QueueSettings
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import external
from redclust.queue import Lease, LeaseLost, Worker


class Plan:
    def __init__(
        self, pages: int = 5, page_s: float = 0.02, stop: str = "", until_empty: bool = False
    ) -> None:
        self.pages, self.page_s, self.stop, self.until_empty = pages, page_s, stop, until_empty

    def freeze(self, where: str, page: int) -> None:
        if self.stop == where and page == 2:
            self.stop = ""
            say("frozen")
            os.kill(os.getpid(), signal.SIGSTOP)
            say("awake")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def crawl(worker: Worker, lease: Lease, plan: Plan) -> None:
    job = lease.job
    begin = (job.checkpoint or {"page": 0})["page"] + 1
    say(f"{job.name} from page {begin}")
    for number in range(begin, plan.pages + 1):
        time.sleep(plan.page_s * random.random() * 2)
        plan.freeze("before", number)
        with worker.page(lease) as connection:
            connection.execute(
                "INSERT INTO test_pages (name, page, worker) VALUES (%s, %s, %s)",
                (job.name, number, worker.id.id),
            )
            plan.freeze("inside", number)
            lease.checkpoint(connection, {"page": number})
    lease.complete(worker.connection(), "ok")
    say(f"{job.name} done")


def main() -> None:
    settings = DatabaseSettings(url=SecretStr(sys.argv[1]))
    plan = Plan(**json.loads(sys.argv[3]))
    target = external(settings)
    assert target is not None
    database = Database(Connector(target, settings, "test worker"))
    with Worker(database, QueueSettings(**json.loads(sys.argv[2])), say) as worker:
        say("ready")
        while True:
            lease = worker.claim()
            if lease is None:
                if plan.until_empty:
                    return
                time.sleep(0.02)
                continue
            try:
                with lease:
                    crawl(worker, lease, plan)
            except LeaseLost:
                say(f"{lease.job.name} lost")
            except psycopg.OperationalError as error:
                say(f"{lease.job.name} broken: {type(error).__name__}")


if __name__ == "__main__":
    main()
