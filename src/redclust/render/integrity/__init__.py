"""``integrity`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.integrity import (
    BloatReport,
    CheckReport,
    CleanReport,
    DropReport,
    QuarantineReport,
    RepairReport,
    RestoreReport,
    StatsReport,
)
from redclust.render.integrity.bloat import bloat
from redclust.render.integrity.check import check
from redclust.render.integrity.clean import clean, dropped, quarantine, repaired, restored
from redclust.render.integrity.stats import stats
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case StatsReport():
            stats(report, out)
        case BloatReport():
            bloat(report, out)
        case CheckReport():
            check(report, out)
        case CleanReport():
            clean(report, out)
        case RepairReport():
            repaired(report, out)
        case QuarantineReport():
            quarantine(report, out)
        case RestoreReport():
            restored(report, out)
        case DropReport():
            dropped(report, out)
        case _:
            raise TypeError(type(report).__name__)
