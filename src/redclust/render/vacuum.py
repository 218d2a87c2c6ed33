"""``vacuum`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.duration import words
from redclust.ops.vacuum import TableVacuum, VacuumReport
from redclust.render.output import figures, size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case VacuumReport():
            vacuum(report, out)
        case _:
            raise TypeError(type(report).__name__)


def vacuum(report: VacuumReport, out: Console) -> None:
    if report.full and report.dry_run:
        _preview(report, out)
    else:
        _tables(report, out)
    obstacles(report, out)
    if report.dry_run:
        out.print("Nothing was done (--dry-run)")
    else:
        done = sum(one.state == "done" for one in report.tables)
        out.print(f"Vacuumed {done} of {len(report.tables)} tables in {report.duration_s:.1f}s")


def obstacles(report: VacuumReport, out: Console) -> None:
    """What was not done and why, and who keeps dead rows."""
    for one in report.tables:
        if one.reason and not one.optional:
            by = "; ".join(holder.words() for holder in one.in_the_way)
            out.print(f"{one.table} {one.state}: {one.reason}{': ' + by if by else ''}")
    if report.held_back_by:
        out.print("Dead rows are left because these may still read them:")
        for holder in report.held_back_by:
            out.print(f"  {holder.words()}")


def _tables(report: VacuumReport, out: Console) -> None:
    columns = ("table", "", "dead rows", "left", "size", "after", "took")
    shown = [one for one in report.tables if not one.catalog or one.state not in ("done", "planned")]
    figures(out, columns, [_row(one) for one in shown], right=columns[2:], spare="took")
    catalogs = [one for one in report.tables if one.catalog and one.state in ("done", "planned")]
    if catalogs:
        before, after = (_sum(catalogs, which) for which in ("size_bytes_before", "size_bytes_after"))
        change = f", now {size(after)}" if after else ""
        out.print(f"and {len(catalogs)} tables of the system, {size(before)}{change}")


def _preview(report: VacuumReport, out: Console) -> None:
    figures = ("dead rows", "size", "needs on disk", "everybody waits about")
    anybody = any(one.full and one.full.connected for one in report.tables)
    rows = table("table", *figures, *(["in it now"] if anybody else []), right=figures)
    for one in report.tables:
        if plan := one.full:
            rows.add_row(
                one.table,
                str(one.dead_rows_before),
                "locked" if one.size_bytes_before is None else size(one.size_bytes_before),
                "" if plan.needed_bytes is None else size(plan.needed_bytes),
                "" if plan.expected_s is None else words(plan.expected_s),
                *(["; ".join(holder.words() for holder in plan.connected)] if anybody else []),
            )
    out.print(rows)
    free = "not to be seen from here" if report.free_disk_bytes is None else size(report.free_disk_bytes)
    out.print(f"Free disk: {free}")
    out.print(report.consequences())


def _row(one: TableVacuum) -> tuple[str, ...]:
    return (
        one.table,
        one.state,
        str(one.dead_rows_before),
        "" if one.dead_rows_after is None else str(one.dead_rows_after),
        "" if one.size_bytes_before is None else size(one.size_bytes_before),
        "" if one.size_bytes_after is None else size(one.size_bytes_after),
        f"{one.duration_s:.1f}s" if one.state in ("done", "stopped") else "",
    )


def _sum(tables: list[TableVacuum], which: str) -> int:
    return sum(getattr(one, which) or 0 for one in tables)
