"""How far the vacuum of a table is, told while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from redclust.db.connect import Connection
from redclust.db.tables import Table
from redclust.ops.window import Window
from redclust.report import Task
from redclust.sql import query


@dataclass(slots=True)
class Looker:
    """Looks from one session at another that vacuums; ends it when the window closes."""

    session: Connection
    watcher: Connection
    window: Window
    task: Task
    table: Table
    seen_bytes: float = 0.0

    def look(self) -> None:
        """Raises WindowClosed when the time is up."""
        self.window.check()
        values = {"pid": self.session.info.backend_pid}
        row = self.watcher.execute(query("vacuum", "progress"), values).fetchone()
        if row is not None:
            phase, seen, total = row
            self.task.note(f"{self.table.label}: {phase}")
            self._reach((self.table.size_bytes or 0) * seen / total if total else 0.0)

    def finish(self) -> None:
        """All of the table has been seen."""
        self._reach(self.table.size_bytes or 0)

    def _reach(self, now_bytes: float) -> None:
        self.task.advance(max(0.0, now_bytes - self.seen_bytes))
        self.seen_bytes = max(self.seen_bytes, now_bytes)
