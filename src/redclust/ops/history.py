"""``history``: the runs of the verbs that care for the database, and where their figures go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from redclust.db import history
from redclust.db.session import Database
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run that came to its end; ``figures`` are those that its verb wrote down."""

    verb: str
    started_at: datetime
    duration_s: float
    verdict: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure of one verb over the runs that have it, the oldest first; two values at least."""

    verb: str
    figure: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HistoryReport(Report):
    """The newest runs, newest first, and trends: of one verb all its figures, of all how long they took.

    ``known`` are the verbs that have ever been written down.
    """

    verb: ClassVar[str] = "history"
    of: str | None
    runs: tuple[PastRun, ...]
    trends: tuple[Trend, ...]
    known: tuple[str, ...]


def look(database: Database, verb: str | None, *, limit: int) -> HistoryReport:
    """Read what was written down; ``limit`` runs at most."""
    with database.connect(autocommit=True) as connection:
        known = {*history.newest_of_each(connection), "precalc"}
        found = history.runs(connection, _meant(verb, known), limit=limit)
    runs = tuple(
        PastRun(
            run.verb,
            run.started_at,
            (run.finished_at - run.started_at).total_seconds(),
            run.verdict,
            dict(run.figures),
        )
        for run in found
    )
    return HistoryReport(verb, runs, trends(runs, all_figures=verb is not None), tuple(sorted(known)))


def _meant(told: str | None, known: set[str]) -> list[str]:
    """The verbs of which these words are a part: `drill` is `backup drill`, `integrity` all of its verbs."""
    words = set(re.split(r"[ .]+", (told or "").strip().lower())) - {""}
    return sorted(name for name in known if words <= set(re.split(r"[ .]", name)))


def trends(runs: Sequence[PastRun], *, all_figures: bool) -> tuple[Trend, ...]:
    """Numbers that two runs of a verb have at least."""
    series: dict[tuple[str, str], list[float]] = {}
    for run in reversed(runs):
        figures: dict[str, Any] = {"duration_s": run.duration_s, **(run.figures if all_figures else {})}
        for name, value in figures.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                series.setdefault((run.verb, name), []).append(float(value))
    return tuple(Trend(*key, tuple(values)) for key, values in sorted(series.items()) if len(values) > 1)
