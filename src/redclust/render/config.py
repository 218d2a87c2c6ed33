"""``config`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.config import CheckReport, ConfigReport, InitReport
from redclust.render.output import table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case ConfigReport():
            out.print(f"home: {report.home}")
            out.print(f"file: {report.file or 'none'}")
            settings = table("key", "value", "from")
            for one in report.settings:
                settings.add_row(one.key, one.value, one.origin)
            out.print(settings)
        case CheckReport():
            for one in report.changed:
                out.print(f"{one.key} = {one.value}  ({one.origin})")
            for note in report.notes:
                out.print(f"note: {note}")
            out.print(
                f"configuration is valid ({report.file or 'no file'}, {len(report.changed)} values set)"
            )
        case InitReport():
            out.print(f"Configuration written: {report.path}")
        case _:
            raise TypeError(type(report).__name__)
