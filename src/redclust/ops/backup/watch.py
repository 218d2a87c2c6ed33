"""How far pg_dump is, as the server sees it: table by table, in rows."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from redclust.db.connect import Connection, Connector
from redclust.errors import RedclustError
from redclust.ops.backup.facts import Sized
from redclust.report import Task
from redclust.sql import query

_INTERVAL_S = 0.5


class Share:
    """The bytes of tables that are dumped; each weighs what it takes on the server's disk."""

    def __init__(self, tables: Sequence[Sized]) -> None:
        self._tables = {table.oid: table for table in tables}
        self._done: dict[int, float] = {}
        self._copied: set[int] = set()

    @property
    def total(self) -> int:
        return sum(table.size_bytes for table in self._tables.values())

    def see(self, copying: Mapping[int, tuple[int, int]]) -> tuple[float, str]:
        """Bytes dumped up to now, and the tables at work; ``copying`` has rows and bytes by table."""
        for oid in self._copied - copying.keys():
            self._done[oid] = self._tables[oid].size_bytes
        self._copied |= copying.keys() & self._tables.keys()
        for oid, (rows, told_bytes) in copying.items():
            if (table := self._tables.get(oid)) is not None:
                self._done[oid] = max(self._done.get(oid, 0.0), _part(table, rows, told_bytes))
        names = sorted(self._tables[oid].name for oid in copying if oid in self._tables)
        return sum(self._done.values()), ", ".join(names)


def _part(table: Sized, rows: int, told_bytes: int) -> float:
    """Bytes of one table; where nobody ever counted its rows (-1), as its text grows."""
    if table.guessed_rows > 0:
        return table.size_bytes * min(1.0, rows / table.guessed_rows)
    return min(float(table.size_bytes), float(told_bytes))


@contextmanager
def watching(connector: Connector, tables: Sequence[Sized], task: Task) -> Generator[None]:
    """Tell ``task`` how far the dump is until the block ends; never fails it."""
    share = Share(tables)
    task.total(max(1, share.total))
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(connector, share, task, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(connector: Connector, share: Share, task: Task, ended: threading.Event) -> None:
    told = 0.0
    try:
        with connector.connect(autocommit=True, role="watch") as connection:
            while not ended.wait(_INTERVAL_S):
                done, names = share.see(_copying(connection, connector))
                task.note(names)
                task.advance(done - told)
                told = done
    except (psycopg.Error, RedclustError):
        return  # the dump itself says what is wrong


def _copying(connection: Connection, connector: Connector) -> dict[int, tuple[int, int]]:
    values = {"application": connector.environment()["PGAPPNAME"]}
    rows = connection.execute(query("backup", "copying"), values)
    return {int(oid): (int(rows), int(told)) for oid, rows, told in rows}
