"""``backup`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.backup import BackupReport, TidyReport
from redclust.render.output import size
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case BackupReport():
            _now(report, out)
        case TidyReport():
            _tidy(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _now(report: BackupReport, out: Console) -> None:
    out.print(f"Backup completed: {report.path} (size={report.size_bytes} bytes)")
    known = "every byte and every row read back" if report.level == "read" else "every byte read back"
    out.print(
        f"{report.rows:,} rows of {report.tables} tables in {report.dump_s:.1f} s; "
        f"{known} in {report.verify_s:.1f} s"
    )
    for text in report.failing:
        out.print(f"WARNING: {text}")
    for text in (*report.warnings, *report.skipped):
        out.print(f"note: {text}")
    if report.tidy is not None and (report.tidy.removed or report.tidy.left or report.tidy.brake):
        _tidy(report.tidy, out)


def _tidy(report: TidyReport, out: Console) -> None:
    verb = "would be removed" if report.dry_run else "removed"
    for one in report.removed:
        out.print(f"{verb}: {one.name} ({one.state}, {size(one.size_bytes)})")
    for text in report.left:
        out.print(f"left: {text}")
    if report.brake:
        out.print(f"nothing verified was removed: {report.brake}")
        out.print("redclust backup tidy --dry-run shows what would go; --yes removes it")
    kept = len(report.kept)
    out.print(f"{kept} kept, {len(report.removed)} {verb}, {size(report.freed_bytes)}")
