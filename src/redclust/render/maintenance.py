"""``maintenance`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.maintenance import MaintenanceReport
from redclust.render.output import size, table
from redclust.render.reindex import leftovers, problems
from redclust.render.vacuum import obstacles
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case MaintenanceReport():
            _maintenance(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _maintenance(report: MaintenanceReport, out: Console) -> None:
    rows = table("part", "", "", "took", right=("took",))
    for part in report.parts:
        rows.add_row(part.name, part.state, part.told, f"{part.duration_s:.1f}s")
    out.print(rows)
    leftovers(report.leftovers, out)
    if report.vacuum:
        obstacles(report.vacuum, out)
    if report.reindex:
        problems(report.reindex, out)
    for one in report.bloat.relations if report.bloat else ():
        if one.verdict != "fine":
            wasted = f"{size(one.confirmed_bytes)} wasted, " if one.confirmed_bytes else ""
            out.print(f"{one.name} {one.verdict}: {wasted}{one.mend or one.reason}")
    if report.after is None:
        out.print("Nothing was done (--dry-run)")
        return
    out.print(
        f"Database {size(report.before.database_bytes)}, now {size(report.after.database_bytes)}; "
        f"dead rows {report.before.dead_rows}, now {report.after.dead_rows}"
    )
    undone = [part.name for part in report.parts if part.state != "done"]
    verdict = f"not all of it: {', '.join(undone)}" if undone else "all done"
    out.print(f"Maintenance completed in {report.duration_s:.1f}s, {verdict}")
