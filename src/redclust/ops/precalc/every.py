"""``precalc --every``: the map anew at regular times, for those without cron."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from redclust.db.session import Database
from redclust.ops.every import repeat
from redclust.ops.precalc.run import PrecalcReport
from redclust.report import Progress, Report


@dataclass(frozen=True, slots=True)
class PrecalcLoopReport(Report):
    """What a loop did until it was ended by SIGTERM."""

    verb: ClassVar[str] = "precalc.every"
    made: int
    failed: int


def every(
    opened: Callable[[], AbstractContextManager[Database]],
    compute: Callable[[Database], PrecalcReport],
    progress: Progress,
    *,
    interval_s: float,
) -> PrecalcLoopReport:
    """Compute at once and then every ``interval_s``; a failure is told and does not end it. SIGTERM does.

    The database is opened anew each time, and so is not kept up, nor missed when it was restarted. A run in
    the middle of which SIGTERM comes leaves the graph as it was.

    Raises:
        ConfigError: nothing will change by trying again.
    """

    def once() -> tuple[bool, list[str]]:
        with opened() as database:
            report = compute(database)
        if report.ok:
            return True, [f"Precalculation completed in {report.duration_s:.1f}s"]
        return False, ["No subreddits found: the graph is as it was"]

    return PrecalcLoopReport(*repeat(once, what="precalc", interval_s=interval_s, progress=progress))
