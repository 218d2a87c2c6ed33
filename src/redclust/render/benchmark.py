"""``benchmark`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.benchmark import Comparison, ImportBenchmark
from redclust.render.output import size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    if not isinstance(report, ImportBenchmark):
        raise TypeError(type(report).__name__)
    rows = ", ".join(f"{count:,} {name}" for name, count in report.table_rows.items() if count)
    out.print(f"{report.rows:,} rows of dumps; in the tables: {rows}. Postgres {report.server_version}")
    speeds = {
        report.comparison.measured.name: report.import_rows_per_s,
        report.comparison.baseline.name: report.copy_rows_per_s,
    }
    _compare(report.comparison, speeds, out)
    out.print(f"peak memory of redclust's own processes: {size(report.peak_memory_bytes)}")


def _compare(comparison: Comparison, rows_per_s: dict[str, float], out: Console) -> None:
    shown = table(
        "side", "median s", "min s", "max s", "rows/s", right=("median s", "min s", "max s", "rows/s")
    )
    for side in (comparison.measured, comparison.baseline):
        runs = side.runs_s
        times = [f"{t:.3f}" for t in (side.median_s, min(runs), max(runs))]
        shown.add_row(side.name, *times, f"{rows_per_s[side.name]:,.0f}")
    out.print(shown)
    out.print(
        f"ratio {comparison.median_ratio:.2f} (median of {len(comparison.ratios)} pairs; "
        f"{comparison.min_ratio:.2f} to {comparison.max_ratio:.2f})"
    )
