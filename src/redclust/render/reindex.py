"""``reindex`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.reindex import IndexRebuild, Leftover, ReindexReport
from redclust.render.output import figures, size
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case ReindexReport():
            reindex(report, out)
        case _:
            raise TypeError(type(report).__name__)


def reindex(report: ReindexReport, out: Console) -> None:
    leftovers(report.leftovers, out)
    if report.indexes:
        names = ("index", "of table", "", "size", "after", "took", "checked")
        rows = [_row(one) for one in report.indexes]
        figures(out, names, rows, right=("size", "after", "took"), spare="of table")
    problems(report, out)
    if report.dry_run:
        _preview(report, out)
    else:
        done = sum(one.state == "done" for one in report.indexes)
        out.print(f"Reindexed {done} of {len(report.indexes)} indexes in {report.duration_s:.1f}s")


def problems(report: ReindexReport, out: Console) -> None:
    """What was not done and why, who was waited for, and what was not checked closely."""
    for one in report.indexes:
        if one.reason:
            out.print(f"{one.index} {one.state}: {one.reason}{_by(one)}")
        elif one.waited_for:
            out.print(f"{one.index} waited for others{_by(one)}")
    lacks = {one.check_lacks for one in report.indexes if one.check_lacks}
    for lack in sorted(lacks):
        out.print(f"Not checked more closely than whether it is valid: {lack}")


def leftovers(found: tuple[Leftover, ...], out: Console) -> None:
    """What was found of runs that died, and what became of it."""
    for one in found:
        by = "; ".join(holder.words() for holder in one.in_the_way)
        why = ": ".join(part for part in (one.reason, by) if part)
        state = "would be dropped" if one.state == "planned" else one.state
        out.print(f"leftover {one.index} of {one.table}: {state}{' (' + why + ')' if why else ''}")


def _preview(report: ReindexReport, out: Console) -> None:
    largest = max((one.size_bytes_before or 0 for one in report.indexes), default=0)
    free = "not to be seen from here" if report.free_disk_bytes is None else size(report.free_disk_bytes)
    out.print(f"Needs up to {size(largest)} of disk at a time; free: {free}")
    if not report.concurrently:
        out.print("Writers of a table wait while its index is built, and readers who would use that one")
    out.print("Nothing was done (--dry-run)")


def _row(one: IndexRebuild) -> tuple[str, ...]:
    return (
        one.index,
        one.table,
        "" if one.state == "planned" else one.state,
        "locked" if one.size_bytes_before is None else size(one.size_bytes_before),
        "" if one.size_bytes_after is None else size(one.size_bytes_after),
        f"{one.duration_s:.1f}s" if one.duration_s else "",
        one.checked,
    )


def _by(one: IndexRebuild) -> str:
    by = "; ".join(holder.words() for holder in one.waited_for)
    return f": {by}" if by else ""
