"""How far a restore is, told by the server while pg_restore is silent."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

import psycopg

from redclust.db.connect import Connection, Connector
from redclust.errors import RedclustError
from redclust.report import Task
from redclust.sql import query

_LOOK_EVERY_S = 0.5


@contextmanager
def watching(copy: Connector, task: Task, rows: int) -> Generator[None]:
    """Tell ``task`` how many of ``rows`` are in the copy, in a thread of its own, until the block ends."""
    ended = threading.Event()
    task.total(rows)
    watcher = threading.Thread(target=_watch, args=(copy, task, rows, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(copy: Connector, task: Task, rows: int, ended: threading.Event) -> None:
    # What is shown is no reason to fail: a server that goes away is told by the restore itself.
    with suppress(psycopg.Error, RedclustError), copy.connect(autocommit=True, role="watch") as session:
        loaded: dict[tuple[int, int], int] = {}
        told = 0
        while not ended.wait(_LOOK_EVERY_S):
            found = _in_hand(session)
            loaded.update(found)
            done = min(rows, sum(loaded.values()))
            task.advance(done - told)
            told = done
            making = [str(name) for (name,) in session.execute(query("restore", "indexes_in_hand"))]
            task.note(f"indexes of {', '.join(making)}" if making else f"{told:,} of {rows:,} rows")


def _in_hand(session: Connection) -> Mapping[tuple[int, int], int]:
    """Of the tables being loaded, by process and table; a finished one is no longer named."""
    rows = session.execute(query("restore", "rows_in_hand"))
    return {(int(pid), int(table)): int(count) for pid, table, count in rows}
