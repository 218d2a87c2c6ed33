"""``import`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.import_ import FileResult, ImportReport
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    if not isinstance(report, ImportReport):
        raise TypeError(type(report).__name__)
    for file in report.files:
        _file(file, out)


def _file(file: FileResult, out: Console) -> None:
    if file.state == "unusable":
        out.print(f"{file.name}: not imported: {file.problem}")
        return
    counts = [f"{file.rows_read:,} {file.kind} read", f"{file.added_rows:,} new"]
    counts += [
        f"{count:,} {what}"
        for count, what in (
            (file.replaced_rows, "replaced"),
            (file.rows_filtered, "filtered out"),
            (file.rows_rejected, "rejected"),
        )
        if count
    ]
    speed = f"{file.duration_s:.1f} s, {file.rows_per_s:,.0f} rows/s"
    out.print(f"{file.name}: {file.state}: {', '.join(counts)} ({speed})")
    if file.resumed_at_line:
        out.print(f"  went on after line {file.resumed_at_line:,}, where an earlier import had ended")
    if file.rejects_file:
        out.print(f"  rejected lines with their reasons: {file.rejects_file}")
    if file.problem:
        out.print(f"  {file.problem}; what was read before is kept")
