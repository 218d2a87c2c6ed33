"""``graph versions``, ``diff`` and ``rollback`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.precalc.versions import Difference, DiffReport, RollbackReport, VersionsReport
from redclust.render.output import plain, table


def listed(report: VersionsReport, out: Console) -> None:
    if not report.ok:
        out.print("There is no version yet: redclust precalc computes the graph")
        return
    rows = table(
        "version", "completed", "graph", "changed rows", "took", "", right=("version", "changed rows", "took")
    )
    for one in report.versions:
        f = one.figures
        notes = ["kept" if one.kept else ""]
        if one.rolled_back_to is not None:
            notes.append(f"is version {one.rolled_back_to}")
        rows.add_row(
            f"{one.id}",
            f"{one.completed_at:%Y-%m-%d %H:%M}",
            f"{f.subreddit_nodes:,} subreddits, {f.user_nodes:,} users, {f.links:,} links, "
            f"{f.communities:,} communities",
            f"{sum(change.changed_rows for change in f.changes):,}",
            f"{f.times.total_s:.1f}s",
            ", ".join(note for note in notes if note),
        )
    out.print(rows)


def diff(report: DiffReport, out: Console) -> None:
    if not report.nodes and not report.links:
        out.print(f"Version {report.b} is the same as version {report.a}")
        return
    out.print(f"From version {report.a} to version {report.b}:")
    numbers = ("added", "removed", "changed", "only moved")
    rows = table("", *numbers, right=numbers)
    for one in report.nodes:
        rows.add_row(f"{one.type} nodes", *_counts(one), f"{one.moved:,}")
    for one in report.links:
        rows.add_row(f"{one.type} links", *_counts(one), "")
    out.print(rows)
    if report.subreddits:
        grown = table("subreddit", "users before", "after", right=("users before", "after"))
        for one in report.subreddits:
            grown.add_row(f"r/{plain(one.name)}", _or_dash(one.users_a), _or_dash(one.users_b))
        out.print(grown)
    if report.communities:
        changed = table("community", "subreddits before", "after", right=("subreddits before", "after"))
        for one in report.communities:
            label = plain(one.label_b or one.label_a or "")
            changed.add_row(f"{one.id} {label}", _or_dash(one.subreddits_a), _or_dash(one.subreddits_b))
        out.print(changed)


def rollback(report: RollbackReport, out: Console) -> None:
    changed = sum(change.changed_rows for change in report.changes)
    out.print(
        f"Version {report.version} is shown again, as version {report.run_id}: {changed:,} rows changed"
    )
    out.print("To undo it, redclust graph rollback to the version before: redclust graph versions lists them")


def _counts(one: Difference) -> tuple[str, str, str]:
    return f"{one.added:,}", f"{one.removed:,}", f"{one.changed:,}"


def _or_dash(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"
