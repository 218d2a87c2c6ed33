"""``backup`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust import duration
from redclust.ops.backup import (
    BackupReport,
    DownloadReport,
    ListReport,
    LoopReport,
    PinReport,
    SnapshotReport,
    StatusReport,
    TidyReport,
    VerifyReport,
)
from redclust.ops.backup.listing import Line
from redclust.ops.restore import DrillReport
from redclust.render.output import size, table
from redclust.report import Report

#: Columns from which on a backup and all that is to be said of it stand in one line.
_WIDE = 150


def show(report: Report, out: Console) -> None:
    match report:
        case BackupReport():
            _now(report, out)
        case ListReport():
            _ls(report, out)
        case StatusReport():
            _status(report, out)
        case VerifyReport():
            _verify(report, out)
        case TidyReport():
            _tidy(report, out)
        case PinReport() | DownloadReport() | SnapshotReport() | LoopReport():
            _short(report, out)
        case DrillReport():
            _drill(report, out)
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


def _ls(report: ListReport, out: Console) -> None:
    if report.backups:
        _wide(report, out) if out.width >= _WIDE else _narrow(report, out)
    out.print(f"{report.place}: latest is {report.latest}" if report.latest else report.note)
    if report.latest and report.note:
        out.print(f"note: {report.note}")


def _wide(report: ListReport, out: Console) -> None:
    shown = table("name", "made (UTC)", "size", "rows", "state", "checked", "", right=("size", "rows"))
    for column in shown.columns[:-1]:
        column.no_wrap = True
    for line in report.backups:
        shown.add_row(
            line.name,
            f"{line.at:%Y-%m-%d %H:%M}",
            *_figures(line),
            f"{line.level} {line.checked_at:%Y-%m-%d %H:%M}" if line.checked_at else "",
            "; ".join(_remarks(line, report.latest)),
        )
    out.print(shown)


def _narrow(report: ListReport, out: Console) -> None:
    """80 columns: a name is never broken, as it is to be copied; when one was made it says itself."""
    shown = table("name", "size", "rows", "state", "checked", right=("size", "rows"))
    shown.columns[0].no_wrap = True
    for line in report.backups:
        checked = f"{line.checked_at:%m-%d %H:%M}" if line.checked_at else ""
        shown.add_row(line.name, *_figures(line), checked)
    out.print(shown)
    for line in report.backups:
        if remarks := _remarks(line, report.latest):
            out.print(f"{line.name}: {'; '.join(remarks)}")


def _figures(line: Line) -> tuple[str, str, str]:
    return size(line.size_bytes), f"{line.rows:,}" if line.rows is not None else "", line.state


def _remarks(line: Line, latest: str | None) -> list[str]:
    told = ["latest"] if line.name == latest else []
    told += [word for word, said in (("pinned", line.pinned), ("encrypted", line.encrypted)) if said]
    if line.restore_s is not None:
        told.append(f"restored in {duration.words(line.restore_s)}")
    if line.database:
        told.append(f"of another database: {line.database}")
    return [*told, line.problem] if line.problem else told


def _status(report: StatusReport, out: Console) -> None:
    if report.latest and report.age_s is not None:
        age, limit = duration.words(report.age_s), duration.words(report.max_age_s)
        out.print(
            f"latest: {report.latest}, {age} old (limit {limit}), {report.level}, "
            f"{size(report.size_bytes or 0)}; {report.verified} verified in {report.place}"
        )
    for text in report.problems:
        out.print(f"PROBLEM: {text}")


def _verify(report: VerifyReport, out: Console) -> None:
    for one in report.results:
        verdict = "ok" if one.ok else f"DAMAGED: {one.problem}"
        out.print(f"{one.name}: {one.level} {verdict} ({size(one.size_bytes)} in {one.duration_s:.1f} s)")
    bad = sum(not one.ok for one in report.results)
    out.print(f"{len(report.results)} checked, {bad} damaged")


def _tidy(report: TidyReport, out: Console) -> None:
    verb = "would be removed" if report.dry_run else "removed"
    for one in report.removed:
        out.print(f"{verb}: {one.name} ({one.state}, {size(one.size_bytes)})")
    for text in report.left:
        out.print(f"left: {text}")
    if report.brake:
        held = "the brake would hold" if report.dry_run else "no verified backup was removed"
        out.print(f"{held}: {report.brake}")
        out.print("redclust backup tidy --dry-run shows what would go; --yes removes it")
    out.print(f"{len(report.kept)} kept, {len(report.removed)} {verb}, {size(report.freed_bytes)}")


def _short(report: PinReport | DownloadReport | SnapshotReport | LoopReport, out: Console) -> None:
    match report:
        case PinReport():
            out.print(f"{report.name}: {'pinned' if report.pinned else 'no longer pinned'}")
        case DownloadReport():
            out.print(f"Downloaded and compared: {report.path} (size={report.size_bytes} bytes)")
        case SnapshotReport():
            out.print(
                f"Snapshot of {len(report.backups)} backups: {report.path} (size={report.size_bytes} bytes)"
            )
            for text in report.left_out:
                out.print(f"left out: {text}")
            out.print(f"unpack it with: tar -xf {report.path} -C DIRECTORY")
        case LoopReport():
            out.print(f"{report.made} backups made, {report.failed} failed")


def _drill(report: DrillReport, out: Console) -> None:
    for name in report.swept:
        out.print(f"dropped {name}, which a killed run had left")
    if report.problem:
        out.print(f"{report.name} does NOT restore: {report.problem}")
        return
    rows = table("check", "", "found", "took", right=("took",))
    for one in report.checks:
        rows.add_row(one.name, one.verdict, one.told, f"{one.duration_s:.1f}s")
    out.print(rows)
    for text in report.notes:
        out.print(f"note: {text}")
    before = report.previous_restore_s
    than = f" ({duration.words(before)} at the drill before)" if before else ""
    out.print(
        f"{report.name} restores: {report.rows:,} rows of {report.tables} tables as they were, in "
        f"{duration.words(report.restore_s)}{than}"
    )
    for one in report.wrong:
        of = "in the data that was backed up" if one.of_data else "in the restored copy"
        out.print(f"WARNING: {one.name}, {of}: {one.told}")
