"""The runs of the verbs that care for the database: one row each, with figures to compare the next with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg

from redclust.db.connect import Connection, Connector
from redclust.errors import RedclustError
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


def note(
    connector: Connector, verb: str, *, started_at: datetime, verdict: Verdict, figures: Mapping[str, Any]
) -> bool:
    """Write a run down on a session of its own, where that can be done; whether it was.

    Not where the database is gone, has no such table or gives this role no right: a run that has done its
    work does not fail because it could not be written down.
    """
    with suppress(psycopg.Error, RedclustError), connector.connect(autocommit=True) as connection:
        record(connection, verb, started_at=started_at, verdict=verdict, figures=figures)
        return True
    return False


def runs(connection: Connection, verbs: list[str], *, limit: int) -> list[Run]:
    """The newest runs of these verbs, ``precalc`` may be one, newest first."""
    rows = connection.execute(query("history", "runs_of"), {"verbs": verbs, "limit": limit}).fetchall()
    return [Run(*row) for row in rows]


def newest_of_each(connection: Connection) -> dict[str, Run]:
    """The newest run of every verb that has one."""
    rows = connection.execute(query("history", "newest_of_each")).fetchall()
    return {run.verb: run for run in (Run(*row) for row in rows)}
