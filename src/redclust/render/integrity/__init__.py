"""``integrity`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.integrity import BloatReport, StatsReport
from redclust.render.integrity.bloat import bloat
from redclust.render.integrity.stats import stats
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case StatsReport():
            stats(report, out)
        case BloatReport():
            bloat(report, out)
        case _:
            raise TypeError(type(report).__name__)
