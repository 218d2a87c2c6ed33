"""``crawl`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.crawl import CrawlReport, Outcome
from redclust.ops.crawl.refresh import RefreshReport
from redclust.render import refresh
from redclust.render.output import table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case CrawlReport():
            _crawl(report, out)
        case RefreshReport():
            refresh.show(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _crawl(report: CrawlReport, out: Console) -> None:
    columns = ("requests", "new posts", "new comments", "changed", "discovered")
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
        told.append(f"tried again at {one.again_at:%Y-%m-%d %H:%M:%S} UTC")
    return "; ".join([*told, one.problem] if one.problem else told)
