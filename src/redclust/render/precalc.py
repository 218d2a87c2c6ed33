"""``precalc`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.precalc import Figures, PrecalcLoopReport, PrecalcReport, PrecalcStatusReport, Run
from redclust.render.output import table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case PrecalcReport():
            _precalc(report, out)
        case PrecalcLoopReport():
            out.print(f"{report.made} graphs computed, {report.failed} runs failed")
        case PrecalcStatusReport():
            _status(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _precalc(report: PrecalcReport, out: Console) -> None:
    figures = report.figures
    if not report.ok:
        _nothing(figures, out)
        return
    out.print(f"Generated {figures.subreddit_nodes} subreddit nodes")
    out.print(f"Generated {figures.user_nodes} user nodes")
    if figures.detail.posts:
        unseen = figures.detail.unseen_posts
        known = f" ({unseen} of them known only from their comments)" if unseen else ""
        out.print(f"Generated {figures.detail.posts} post nodes{known}")
        out.print(f"Generated {figures.detail.comments} comment nodes")
    out.print(f"Created {figures.links} links")
    kept = ", as before: nothing to cluster has changed" if figures.kept_communities else ""
    out.print(f"Found {_communities(figures)} (modularity {figures.modularity:.3f}{kept})")
    _left_out(figures, out)
    _swapped(figures, out)
    out.print(f"Precalculation completed in {report.duration_s:.1f}s")


def _nothing(figures: Figures, out: Console) -> None:
    if figures.bots.total:
        out.print("No subreddits found: all active accounts count as bots")
        _left_out(figures, out)
        out.print("The cap is precalc.max_subreddits_per_user; the graph is as it was")
    else:
        out.print("No subreddits found: nobody is active in the database; the graph is as it was")
        out.print("Bring data in with redclust import FILE, or look at an example with redclust demo")


def _left_out(figures: Figures, out: Console) -> None:
    bots = figures.bots
    if bots.total:
        more = ", …" if bots.total > len(bots.most_active) else ""
        regular = f", {bots.regular} that write like a clock" if bots.regular else ""
        out.print(
            f"Left out as bots: {bots.marked} marked, {bots.over_cap} in more than "
            f"{bots.max_subreddits_per_user} subreddits{regular} ({', '.join(bots.most_active)}{more})"
        )
    if figures.dangling_rows:
        out.print(f"Left out {figures.dangling_rows} rows whose user or subreddit is not there")


def _swapped(figures: Figures, out: Console) -> None:
    inserted = sum(c.inserted_rows for c in figures.changes)
    updated = sum(c.updated_rows for c in figures.changes)
    deleted = sum(c.deleted_rows for c in figures.changes)
    if inserted or updated or deleted:
        out.print(f"Changed rows: {inserted} new, {updated} updated, {deleted} deleted")
    else:
        out.print("The graph is the same as before: no row changed")
    if figures.changed_ratio is not None:
        out.print(f"Incremental: {figures.changed_ratio:.2%} of the activity had changed")
    if figures.reweighed:
        out.print("All weights changed: the number of users counts in steps of 10 %, and came to another")
    if not figures.swap_exclusive:
        by = ", ".join(figures.swap_passed_by) or "a session"
        out.print(f"Note: {by} read during the swap, and may have seen old nodes with new links")


def _status(report: PrecalcStatusReport, out: Console) -> None:
    if report.running_by:
        out.print(f"running now: {report.running_by}")
    shown = report.shown
    if shown is None:
        out.print("No graph has been computed yet: redclust precalc")
    else:
        _shown(shown, out)
        _bots(report, out)
    if report.runs:
        runs = table("run", "started", "state", "took", "subreddits", "users", "links", right=_NUMBERS)
        alive = report.running_by is not None
        for run in report.runs:
            runs.add_row(*_row(run, alive=alive))
        out.print(runs)
        for run in report.runs:
            _, why = _state(run, alive=alive)
            if why:
                out.print(f"run {run.id}: {why}")


_NUMBERS = ("run", "took", "subreddits", "users", "links")


def _communities(figures: Figures) -> str:
    some = 0 < figures.islands < figures.communities
    apart = f", {figures.islands} of them without a link to another" if some else ""
    return f"{figures.communities} communities{apart}"


def _shown(run: Run, out: Console) -> None:
    figures = run.figures
    at = run.snapshot_at or run.started_at
    took = f", computed in {run.duration_s:.1f}s" if run.duration_s is not None else ""
    out.print(f"The graph shows the data of {at:%Y-%m-%d %H:%M:%S} UTC (run {run.id}{took})")
    small = ""
    if 0 < figures.min_shared_users_small < figures.min_shared_users:
        small = f", small ones from {figures.min_shared_users_small}"
    out.print(
        f"{figures.subreddit_nodes} subreddits, {figures.user_nodes} users, {figures.links} links, "
        f"{_communities(figures)}; related from {figures.min_shared_users} shared users on{small}"
    )
    _left_out(figures, out)


def _bots(report: PrecalcStatusReport, out: Console) -> None:
    if not report.bots:
        return
    rows = table("left out", "why", "subreddits", "activity", right=("subreddits", "activity"))
    for bot in report.bots[:_BOTS_SHOWN]:
        rows.add_row(f"u/{bot.name}", _WHY[bot.why], f"{bot.subreddits:,}", f"{bot.activity:,}")
    out.print(rows)
    out.print("precalc.people and precalc.bots say otherwise of an account; redclust config show")


_BOTS_SHOWN = 20
_WHY = {
    "marked": "known or named as a bot",
    "subreddits": "too many subreddits",
    "regular": "writes like a clock",
}


def _row(run: Run, *, alive: bool) -> tuple[str, ...]:
    state, _ = _state(run, alive=alive)
    took = f"{run.duration_s:.1f}s" if run.duration_s is not None else ""
    f = run.figures
    counts = (f.subreddit_nodes, f.user_nodes, f.links) if run.status == "completed" else ("", "", "")
    return (str(run.id), f"{run.started_at:%Y-%m-%d %H:%M:%S}", state, took, *map(str, counts))


def _state(run: Run, *, alive: bool) -> tuple[str, str]:
    """What became of it, and why it failed."""
    if run.status == "running" and not alive:
        return "failed", "was killed"
    return run.status, run.error_message or ""
