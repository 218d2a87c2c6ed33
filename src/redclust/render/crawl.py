"""``crawl`` in words."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from redclust.duration import words
from redclust.ops.crawl import ForgetReport, PlanReport, ResetReport, StatusReport
from redclust.ops.crawl.named import CrawlReport
from redclust.ops.crawl.one import Outcome
from redclust.ops.crawl.refresh import RefreshReport
from redclust.ops.crawl.run import RunReport
from redclust.render import refresh
from redclust.render.output import table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case CrawlReport():
            _crawl(report, out)
        case RefreshReport():
            refresh.show(report, out)
        case PlanReport():
            _plan(report, out)
        case RunReport():
            _run(report, out)
        case StatusReport():
            _status(report, out)
        case ResetReport():
            closed = "No circuit breaker was open" if not report.closed else "Circuit breaker closed"
            out.print(closed)
        case ForgetReport():
            _forget(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _crawl(report: CrawlReport, out: Console) -> None:
    # Of posts and comments the new ones; whole names do not fit into 80 columns.
    columns = ("requests", "posts +", "comments +", "changed", "found")
    shown = table("subreddit", "verdict", *columns, "", right=columns)
    for one in report.subreddits:
        figures = one.figures
        changed = figures.posts_changed + figures.comments_changed
        numbers = (figures.requests, figures.posts_added, figures.comments_added, changed, one.discovered)
        shown.add_row(f"r/{one.name}", one.verdict, *(f"{n:,}" for n in numbers), _remarks(one))
    out.print(shown)


def _remarks(one: Outcome) -> str:
    figures = one.figures
    told = [
        f"{count:,} {what}"
        for count, what in (
            (figures.deleted, "deleted on Reddit"),
            (figures.broken, "broken, kept aside"),
            (figures.unavailable, "not shown"),
            (figures.skipped, "given up"),
        )
        if count
    ]
    if one.again_at:
        told.append(f"tried again at {_time(one.again_at)}")
    return "; ".join([*told, one.problem] if one.problem else told)


def _plan(report: PlanReport, out: Console) -> None:
    columns = ("requests at most", "last crawl")
    shown = table("subreddit", *columns, right=columns)
    for cost in report.subreddits:
        last = "" if cost.last_requests is None else f"{cost.last_requests:,}"
        shown.add_row(f"r/{cost.name}", f"{cost.requests:,}", last)
    out.print(shown)
    out.print(f"Together {report.in_words()}")


def _run(report: RunReport, out: Console) -> None:
    jobs = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(report.jobs.items())) or "none"
    out.print(f"Jobs: {jobs}")
    out.print(
        f"{report.requests:,} requests, {report.posts_added:,} new posts, {report.comments_added:,} new "
        f"comments, {report.discovered:,} subreddits discovered, {report.broken:,} broken things kept aside"
    )
    out.print(f"Ended after {words(report.duration_s)}: {report.stopped}")


def _status(report: StatusReport, out: Console) -> None:
    for budget in report.budgets:
        out.print(f"client {budget.client}: {budget.sent:,} requests sent, {budget.refused:,} refused (429)")
        if budget.remaining is not None:
            reset = f", anew at {_time(budget.reset_at)}" if budget.reset_at else ""
            out.print(f"  Reddit's window: {budget.used or 0:g} used, {budget.remaining:g} left{reset}")
        if budget.halted_until and budget.halted_until > budget.now_at:
            out.print(f"  halted until {_time(budget.halted_until)}: {budget.halt_reason}")
        if budget.closed_at:
            out.print(f"  circuit breaker open until {_time(budget.closed_at)}: {budget.last_failure}")
        else:
            out.print("  circuit breaker closed")
    if not report.budgets:
        out.print("Nothing has been asked of Reddit yet")
    for pause in report.pauses:
        out.print(f"paused by {pause.holder} since {_time(pause.since)}: {pause.reason}")
    jobs = ", ".join(f"{n:,} {status}" for status, n in report.jobs.items()) or "none"
    later = f", {report.later:,} later (the first at {_time(report.next_at)})" if report.next_at else ""
    out.print(f"jobs: {jobs}; {report.ready:,} may be claimed now{later if report.later else ''}")
    _workers(report, out)


def _workers(report: StatusReport, out: Console) -> None:
    if not report.workers:
        out.print("No worker is at work: redclust crawl run")
        return
    shown = table("worker", "since", "last heartbeat", "crawls", "pages", right=("pages",))
    for one in report.workers:
        silent_s = (report.asked_at - one.heartbeat_at).total_seconds()
        crawls = f"r/{one.crawls}" if one.crawls else ""
        beat = f"{words(max(0, silent_s))} ago"
        shown.add_row(f"{one.host} {one.pid}", _time(one.started_at), beat, crawls, f"{one.pages:,}")
    out.print(shown)


def _forget(report: ForgetReport, out: Console) -> None:
    verb = "Would erase" if report.dry_run else "Erased"
    out.print(
        f"{verb} u/{report.name}: {report.posts:,} posts, {report.comments:,} comments, "
        f"{report.interactions:,} imported interactions, {report.nodes:,} nodes of the map"
    )
    if report.rejects_lines:
        out.print(f"{report.rejects_lines:,} lines of rejects files on this machine")
    for backup in report.backups:
        out.print(f"Backup {backup.name} may hold the name until {backup.until}")


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
