"""The runs of the verbs that care for the database: one row each, with figures to compare the next with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from redclust.db.connect import Connection
from redclust.sql import query

Verdict = Literal["ok", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run that came to its end."""

    verb: str
    started_at: datetime
    finished_at: datetime
    verdict: Verdict
    figures: Mapping[str, Any]


def record(
    connection: Connection, verb: str, *, started_at: datetime, verdict: Verdict, figures: Mapping[str, Any]
) -> None:
    """Write one run down, in the caller's transaction; ``figures`` are JSON values without secrets."""
    from psycopg.types.json import Jsonb

    row = {"verb": verb, "started_at": started_at, "verdict": verdict, "figures": Jsonb(dict(figures))}
    connection.execute(query("history", "record"), row)


def newest(connection: Connection, verb: str, *, limit: int = 1) -> list[Run]:
    """The newest runs of one verb, newest first."""
    rows = connection.execute(query("history", "newest"), {"verb": verb, "limit": limit}).fetchall()
    return [Run(*row) for row in rows]
