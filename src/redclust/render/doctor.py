"""``doctor`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.doctor import DiskReport
from redclust.render.output import size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case DiskReport():
            _disk(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _disk(report: DiskReport, out: Console) -> None:
    disks = table("disk of", "path", "size", "free", "used", right=("size", "free", "used"))
    for disk in report.disks:
        free, used = size(disk.free_bytes), f"{disk.used_ratio:.0%}"
        disks.add_row(disk.what, disk.path, size(disk.total_bytes), free, used)
    out.print(disks)
    if report.items:
        out.print("What could go, safest first:")
        rows = table("gives back", "what", "cost", "needs meanwhile", "command", right=("gives back",))
        for one in report.items:
            needs = size(one.needs_bytes) if one.needs_bytes else ""
            rows.add_row(size(one.size_bytes), one.what, one.risk, needs, one.command)
        out.print(rows)
    else:
        out.print("Nothing was found that could go")
    for line in report.unknown:
        out.print(f"Not looked at: {line}")
    if not report.ok:
        out.print(
            "Never remove files of a data directory, and never docker system prune --volumes: they are data"
        )
