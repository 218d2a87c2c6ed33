"""Four workers on one queue: killed, frozen, their database restarted; and what they sent meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from crawl_worlds import one

from harness import installed_command, take_settings_out
from redclust.db.session import Database
from redclust.errors import DatabaseUnreachable
from redclust.rehearsal.ledger import Request

#: Leases so short that a fault of seconds is one of minutes.
SCALED = {
    "REDCLUST_QUEUE__LEASE_S": "3",
    "REDCLUST_QUEUE__HEARTBEAT_S": "0.5",
    "REDCLUST_QUEUE__RETRIES": "1000",
}


@dataclass
class Counts:
    """What happened, for the report of a run."""

    kills: int = 0
    freezes: int = 0
    restarts: int = 0
    started: int = 0
    #: Workers that were started while Postgres was away: they say so and end, as every command does.
    too_early: int = 0

    def __str__(self) -> str:
        faults = f"{self.kills} kills, {self.freezes} freezes, {self.restarts} restarts of Postgres"
        return f"{faults}, {self.started} workers started ({self.too_early} while it was away)"


@dataclass
class Fleet:
    """Worker processes, kept at a number; each writes what it says into a file of its own."""

    database: Database
    env: Mapping[str, str]
    folder: Path
    size: int = 4
    counts: Counts = field(default_factory=Counts)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    ended: Counter[int] = field(default_factory=Counter[int])
    logs: dict[int, Path] = field(default_factory=dict[int, Path])

    def keep_up(self) -> None:
        """Start as many as are missing; an end that nobody caused is counted by its code."""
        for process in [p for p in self.running if p.poll() is not None]:
            self.running.remove(process)
            if process.returncode == DatabaseUnreachable.exit_code and not self._had_begun(process):
                self.counts.too_early += 1
            elif process.returncode != -signal.SIGKILL:
                self.ended[process.returncode] += 1
        while len(self.running) < self.size:
            self.counts.started += 1
            kept = dict(os.environ)
            take_settings_out(kept)
            log = (self.folder / f"worker-{self.counts.started}.log").open("wb")
            argv = [*installed_command(), "--database-url", self.database.target.url(), "crawl", "run"]
            own = {**kept, **self.env}
            with log:
                process = subprocess.Popen(argv, env=own, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            self.running.append(process)
            self.logs[process.pid] = Path(log.name)

    def _had_begun(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it had come to work: before that, a database that goes away ends it by its own code."""
        return process.pid in self._at_work()

    def _at_work(self) -> set[int]:
        return set(one(self.database, "SELECT COALESCE(array_agg(pid), '{}') FROM crawl_workers"))

    def victim(self, chance: random.Random) -> subprocess.Popen[bytes]:
        """One that crawls just now: a fault while a worker starts up proves nothing."""
        holding = "SELECT COALESCE(array_agg(pid), '{}') FROM crawl_jobs WHERE status = 'crawling'"
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            busy = set(one(self.database, holding))
            found = [process for process in self.running if process.pid in busy]
            if found:
                return chance.choice(found)
            time.sleep(0.05)
        return chance.choice(self.running)

    def kill(self, chance: random.Random) -> None:
        """SIGKILL for one of them."""
        victim = self.victim(chance)
        victim.kill()
        victim.wait()
        self.counts.kills += 1

    def freeze(self, chance: random.Random, seconds: float) -> None:
        """SIGSTOP for longer than a lease, then SIGCONT: it comes back to a job that is somebody else's."""
        victim = self.victim(chance)
        victim.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            victim.send_signal(signal.SIGCONT)
        self.counts.freezes += 1

    def all_at_work(self) -> bool:
        """Whether each has begun: one that is still being loaded ends by the signal itself."""
        self.keep_up()
        known = self._at_work()
        return all(process.pid in known for process in self.running)

    def stop(self) -> list[int]:
        """SIGTERM for all; their exit codes."""
        for process in self.running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        codes: list[int] = []
        for process in self.running:
            try:
                codes.append(process.wait(30))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        self.running.clear()
        return codes

    def said(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("worker-*.log")))


def repeated(requests: Iterable[Request]) -> int:
    """Answers that were paid for more than once: what a page costs that was fetched and not committed.

    A first crawl asks for no address twice; what is asked by POST says the rest in its body.
    """
    answered = Counter(one.path for one in requests if one.status == 200 and one.method == "GET")
    return sum(times - 1 for times in answered.values())
