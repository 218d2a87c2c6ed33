"""``precalc_runs``: what was begun, what became of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from redclust.db.connect import Connection, Connector
from redclust.errors import DatabaseUnreachable
from redclust.ops.precalc.figures import Figures
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Run:
    """One run; ``status`` is ``running``, ``completed`` or ``failed``."""

    id: int
    status: str
    started_at: datetime
    finished_at: datetime | None
    snapshot_at: datetime | None
    error_message: str | None
    settings: dict[str, Any]
    figures: Figures

    @property
    def duration_s(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


def begin(connection: Connection, settings: dict[str, Any]) -> tuple[int, list[tuple[int, datetime]]]:
    """A new run, and those (id, start) that were found dead; the caller holds the lock."""
    dead = [(int(i), at) for i, at in connection.execute(query("precalc", "bury_killed_runs"))]
    row = connection.execute(query("precalc", "begin_run"), {"settings": Jsonb(settings)}).fetchone()
    if row is None:
        raise RuntimeError("a new run has no number")
    return int(row[0]), dead


def complete(
    connection: Connection,
    run_id: int,
    snapshot_at: datetime,
    fingerprint: str,
    next_community_id: int,
    figures: Figures,
) -> None:
    """For the transaction that swaps the graph in."""
    values = {
        "id": run_id,
        "snapshot_at": snapshot_at,
        "fingerprint": fingerprint,
        "next_community_id": next_community_id,
        "figures": _json(figures),
    }
    connection.execute(query("precalc", "complete_run"), values)
    connection.execute(query("precalc", "mark_moment"), {"id": run_id})


def add_figures(connection: Connection, run_id: int, figures: Figures) -> None:
    connection.execute(query("precalc", "add_figures"), {"id": run_id, "figures": _json(figures)})


def fail(connector: Connector, run_id: int, reason: str) -> None:
    """On a session of its own: that of the run may be broken.

    Raises nothing where the database is gone too: what went wrong first is what must be told, and the next
    run finds this one dead.
    """
    with suppress(DatabaseUnreachable, psycopg.Error), connector.connect(autocommit=True) as connection:
        connection.execute(query("precalc", "fail_run"), {"id": run_id, "error_message": reason})


def shown(connection: Connection) -> Run | None:
    """The run whose graph is shown."""
    row = connection.execute(query("precalc", "shown_run")).fetchone()
    return _run(row) if row else None


def newest(connection: Connection, limit: int) -> list[Run]:
    """The newest runs, newest first."""
    return [_run(row) for row in connection.execute(query("precalc", "runs"), {"limit": limit})]


def _run(row: tuple[Any, ...]) -> Run:
    *columns, figures = row
    return Run(*columns, figures=msgspec.convert(figures, Figures))


def _json(figures: Figures) -> Jsonb:
    return Jsonb(msgspec.to_builtins(figures))
