"""``doctor`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.doctor import DiskReport, DoctorReport
from redclust.render.output import plain, size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case DoctorReport():
            _nagios(report, out) if report.nagios else _doctor(report, out)
        case DiskReport():
            _disk(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _doctor(report: DoctorReport, out: Console) -> None:
    rows = table("check", "", "found", "threshold")
    for one in report.findings:
        rows.add_row(one.check, one.state, plain(one.figure), one.threshold)
    out.print(rows)
    helping = [one for one in report.findings if one.command]
    if helping:
        # Not in the table, which would break them: they are to be copied.
        out.print("What helps:")
    for one in helping:
        out.print(f"  {one.check:<{max(len(each.check) for each in helping)}}   {one.command}")
    out.print(", ".join(f"{number} {state}" for state, number in sorted(report.counts.items())))


def _nagios(report: DoctorReport, out: Console) -> None:
    """One line, as monitoring plugins write it."""
    word = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[report.exit_code]
    worse = [one for one in report.findings if one.state in ("critical", "warning")]
    unknown = [one for one in report.findings if one.state == "not checked"]
    chosen = worse or (unknown if report.exit_code else [])
    told = "; ".join(f"{one.check}: {one.figure}" for one in chosen) or "all is well"
    out.print(f"REDCLUST {word} - {plain(told)}")


def _disk(report: DiskReport, out: Console) -> None:
    disks = table("disk of", "path", "size", "free", "used", right=("size", "free", "used"))
    for disk in report.disks:
        free, used = size(disk.free_bytes), f"{disk.used_ratio:.0%}"
        disks.add_row(disk.what, disk.path, size(disk.total_bytes), free, used)
    out.print(disks)
    if report.items:
        out.print("What could go, safest first:")
        for one in report.items:
            needs = f"; needs {size(one.needs_bytes)} meanwhile" if one.needs_bytes else ""
            out.print(f"{size(one.size_bytes):>11}  {one.what}: {one.risk}{needs}")
            # Never broken by us: it is to be copied.
            out.print(f"{'':11}  {one.command}", soft_wrap=True)
    else:
        out.print("Nothing was found that could go")
    for line in report.unknown:
        out.print(f"Not looked at: {line}")
    if not report.ok:
        out.print(
            "Never remove files of a data directory, and never docker system prune --volumes: they are data"
        )
