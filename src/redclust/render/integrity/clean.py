"""``integrity clean``, ``repair`` and ``quarantine`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.integrity import CleanReport, DropReport, QuarantineReport, RepairReport, RestoreReport
from redclust.render.output import size, table


def clean(report: CleanReport, out: Console) -> None:
    if not report.cleaned:
        out.print("Nothing to clean")
        return
    numbers = ("found",) if report.dry_run else ("found", "removed", "changed")
    rows = table("table", "reason", *numbers, right=numbers)
    for one in report.cleaned:
        counts = (one.found_rows, one.removed_rows, one.changed_rows)[: len(numbers)]
        rows.add_row(one.table, one.reason, *(f"{n:,}" for n in counts))
    out.print(rows)
    if report.dry_run:
        total = sum(one.found_rows for one in report.cleaned)
        out.print(f"Dry run: at most {total:,} rows would be removed or changed; nothing was written")
        return
    removed = sum(one.removed_rows for one in report.cleaned)
    changed = sum(one.changed_rows for one in report.cleaned)
    out.print(f"Removed {removed:,} rows and changed {changed:,} ({report.duration_s:.1f}s)")
    if report.run_id is not None:
        out.print(
            f"What they were is in the quarantine: redclust integrity quarantine restore {report.run_id}"
        )
    if report.left_rows:
        out.print(f"{report.left_rows:,} rows were changed by others at the same time: run it again")
    out.print("Then: redclust precalc --full")


def repaired(report: RepairReport, out: Console) -> None:
    if not report.actions:
        out.print("Nothing to repair")
    else:
        rows = table("what", "", "state", "")
        for one in report.actions:
            rows.add_row(one.what, one.about, one.state, one.reason)
        out.print(rows)
    if report.dry_run:
        out.print("Dry run: nothing was changed")
    elif report.left:
        out.print(f"Found yet: {', '.join(report.left)}; redclust integrity check says more")
    else:
        out.print(f"Checked afterwards: clean ({report.duration_s:.1f}s)")


def quarantine(report: QuarantineReport, out: Console) -> None:
    if not report.runs:
        out.print("The quarantine is empty")
        return
    rows = table(
        "run", "started", "table", "reason", "removed", "changed", right=("run", "removed", "changed")
    )
    for run in report.runs:
        head = (str(run.id), f"{run.started_at:%Y-%m-%d %H:%M:%S}" + ("" if run.finished_at else " (no end)"))
        for one in run.kept:
            rows.add_row(*head, one.table, one.reason, f"{one.removed_rows:,}", f"{one.changed_rows:,}")
            head = ("", "")
    out.print(rows)


def restored(report: RestoreReport, out: Console) -> None:
    out.print(f"Put back {report.restored_rows:,} rows of run {report.run_id} ({report.duration_s:.1f}s)")
    if report.left_rows:
        out.print(f"{report.left_rows:,} rows stay in the quarantine:")
        for reason in report.refused:
            out.print(f"  {reason}")


def dropped(report: DropReport, out: Console) -> None:
    runs = ", ".join(map(str, report.runs))
    if not report.runs:
        out.print(f"No run is older than {report.before:%Y-%m-%d %H:%M:%S} UTC")
    elif report.dry_run:
        out.print(f"Dry run: {report.rows:,} rows of the runs {runs} would go ({size(report.size_bytes)})")
    else:
        out.print(f"Dropped {report.rows:,} rows of the runs {runs} ({size(report.size_bytes)})")
