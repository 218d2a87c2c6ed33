"""``schedule`` as the files themselves; what there is to say about them is a comment."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.schedule import ScheduleReport
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    if not isinstance(report, ScheduleReport):
        raise TypeError(type(report).__name__)
    for one in report.files:
        if report.directory is not None:
            out.print(f"{report.directory}/{one.name}")
            continue
        if report.kind == "systemd":
            out.print(f"# /etc/systemd/system/{one.name}")
        out.print(one.text, end="" if report.kind == "cron" else "\n", soft_wrap=True)
    for note in report.notes:
        out.print(f"# {note}", soft_wrap=True)
