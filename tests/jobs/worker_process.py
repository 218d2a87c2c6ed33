"""Workers in processes of their own, and what must hold of the pages that they wrote."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from harness import wait_until
from redclust.db.connect import Connection
from warm import Warm

SCRIPT = Path(__file__).parent / "job_worker.py"
PAGES_TABLE = (
    "CREATE TABLE test_pages (name text, page integer, worker uuid, at timestamptz DEFAULT clock_timestamp())"
)
#: A sixtieth of what a worker has in the field.
QUICK: dict[str, Any] = {
    "lease_s": 1.0,
    "heartbeat_s": 0.2,
    "stuck_after_min": 0.25,
    "deadline_h": 0.1,
    "backoff_s": 0.1,
    "backoff_max_s": 0.2,
}


class WorkerProcess:
    """``job_worker.py``, and the lines it has said so far."""

    def __init__(self, warm: Warm, url: str, settings: dict[str, Any], plan: dict[str, Any]) -> None:
        self.said: list[str] = []
        arguments = [url, json.dumps(settings), json.dumps(plan)]
        self.process = warm.begin(arguments, os.environ, Path.cwd(), script=SCRIPT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())

    def wait_for(self, *lines: str) -> None:
        """Until each line was said, or one that begins with it."""

        def all_said() -> bool:
            return all(any(said.startswith(line) for said in self.said) for line in lines)

        wait_until(all_said, f"{lines} of {self.said}")

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        self.process.communicate()


def pages(connection: Connection) -> dict[str, list[int]]:
    """The pages of each job in the order of their commits."""
    rows = connection.execute("SELECT name, array_agg(page ORDER BY at) FROM test_pages GROUP BY name")
    return {str(name): [int(n) for n in numbers] for name, numbers in rows}


def statuses(connection: Connection) -> dict[str, int]:
    rows = connection.execute("SELECT status, count(*) FROM crawl_jobs GROUP BY status")
    return {str(status): int(n) for status, n in rows}
