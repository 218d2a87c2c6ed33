"""``history`` in words, with trends as small bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from redclust.ops.history import HistoryReport
from redclust.render.output import plain, size, table
from redclust.report import Report

_BARS = "▁▂▃▄▅▆▇█"
#: Of so many values a trend shows the newest.
_WIDTH = 40
#: So many characters of figures stand on a line, unless one alone is longer.
_FIGURES_WIDTH = 48


def show(report: Report, out: Console) -> None:
    if not isinstance(report, HistoryReport):
        raise TypeError(type(report).__name__)
    if not report.runs:
        of = f" of {report.of}" if report.of else ""
        out.print(f"No run{of} was written down yet; there are some of: {', '.join(report.known)}")
        return
    rows = table("began (UTC)", "verb", "verdict", "took", "figures", right=("took",))
    for run in report.runs:
        lines = _lines([_told(name, value) for name, value in run.figures.items() if _is_short(value)])
        if not report.of and len(lines) > 1:
            lines = [f"{lines[0]}  …"]
        took = f"{run.duration_s:.1f} s"
        rows.add_row(f"{run.started_at:%Y-%m-%d %H:%M}", run.verb, run.verdict, took, "\n".join(lines))
    out.print(rows)
    if report.trends:
        shown = table("trend", "of", "oldest", "newest", "", right=("oldest", "newest"))
        for trend in report.trends:
            ends = (_value(trend.figure, trend.values[0]), _value(trend.figure, trend.values[-1]))
            shown.add_row(trend.verb, trend.figure, *ends, sparkline(trend.values))
        out.print(shown)


def _lines(told: Sequence[str]) -> list[str]:
    """Figures side by side, as many as a line takes."""
    lines: list[str] = []
    for one in told:
        if lines and len(lines[-1]) + 2 + len(one) <= _FIGURES_WIDTH:
            lines[-1] += f"  {one}"
        else:
            lines.append(one)
    return lines


def sparkline(values: Sequence[float]) -> str:
    """The newest values as bars from the lowest to the highest; all of one height where they are equal."""
    newest = values[-_WIDTH:]
    low, high = min(newest), max(newest)
    step = (high - low) / (len(_BARS) - 1)
    return "".join(_BARS[round((value - low) / step)] if step else _BARS[0] for value in newest)


def _is_short(value: Any) -> bool:
    return isinstance(value, (int, float, str)) and value != ""


def _told(name: str, value: Any) -> str:
    return plain(f"{name}={_value(name, value)}")


def _value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("bytes"):
        return size(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
