"""Those who look at the graph while it is exchanged."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, LiteralString

import psycopg
from psycopg import sql

from harness import wait_until
from redclust import pgtools
from redclust.db.connect import Connection
from redclust.db.session import Database

Part = Literal["nodes", "links"]
#: Everything of the graph in two looks: rows, and a sum that differs wherever a row does.
LOOKS: dict[Part, LiteralString] = {
    "nodes": "SELECT count(*), sum(hashtextextended(graph_nodes::text, 0)) FROM graph_nodes",
    "links": "SELECT count(*), sum(hashtextextended(graph_links::text, 0)) FROM graph_links",
}
Graph = tuple[object, ...]


def look(connection: Connection, order: tuple[Part, Part] = ("nodes", "links")) -> Graph:
    """Both tables, one after the other in one transaction; the nodes' figures first."""
    with connection.transaction():
        seen: dict[str, Graph] = {part: connection.execute(LOOKS[part]).fetchone() or () for part in order}
    return (*seen["nodes"], *seen["links"])


@dataclass
class Poller:
    """Looks again and again without a pause, in a thread of its own."""

    database: Database
    level: psycopg.IsolationLevel
    order: tuple[Part, Part] = ("nodes", "links")
    pause_s: float = 0.0
    seen: Counter[Graph] = field(default_factory=Counter)
    longest_s: float = 0.0
    error: Exception | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> None:
        try:
            with self.database.connect(autocommit=True, role="poller") as connection:
                connection.isolation_level = self.level
                while not self._stop.is_set():
                    started_s = time.monotonic()
                    self.seen[look(connection, self.order)] += 1
                    self.longest_s = max(self.longest_s, time.monotonic() - started_s)
                    time.sleep(self.pause_s)
        except Exception as error:  # noqa: BLE001 - shown by the test, in its own thread
            self.error = error

    @contextmanager
    def at_work(self) -> Generator[Poller]:
        thread = threading.Thread(target=self.poll)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


@contextmanager
def slow_dump(database: Database, tools: pgtools.Tools, *options: str) -> Generator[subprocess.Popen[bytes]]:
    """A pg_dump that has its snapshot and its locks, and cannot go on until somebody reads its output."""
    process = subprocess.Popen(
        [tools.path("pg_dump"), "-w", "--data-only", *options],
        stdout=subprocess.PIPE,
        env={**os.environ, **database.target.environment()},
    )
    try:
        with database.connect(autocommit=True) as connection:
            wait_until(lambda: process.poll() is not None or _reads(connection), "pg_dump has its locks")
        yield process
    finally:
        process.kill()
        process.communicate()


def dumped(process: subprocess.Popen[bytes]) -> dict[str, list[str]]:
    """Let a dump go on; the sorted lines of each table in it."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    tables: dict[str, list[str]] = {}
    table: list[str] | None = None
    for line in output.decode().splitlines():
        if line.startswith("COPY "):
            table = tables.setdefault(line.split()[1].removeprefix("public."), [])
        elif line == "\\.":
            table = None
        elif table is not None:
            table.append(line)
    return {name: sorted(lines) for name, lines in tables.items()}


def copied(connection: Connection, table: str) -> list[str]:
    """The sorted lines of a table, as a dump writes them."""
    statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
    with connection.cursor().copy(statement) as copy:
        return sorted(b"".join(copy).decode().splitlines())


def _reads(connection: Connection) -> bool:
    statement = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE application_name = 'pg_dump' AND query LIKE 'COPY%' "
        "AND relation IN ('graph_nodes'::regclass, 'graph_links'::regclass)"
    )
    return connection.execute(statement).fetchone() == (2,)
