"""``crawl refresh`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.duration import words
from redclust.ops.crawl.refresh import RefreshReport
from redclust.ops.crawl.refresh.report import Outstanding

_WHY = {
    "time": "Ended because the time allowed was over",
    "requests": "Ended because all requests allowed were sent",
    "by a signal": "Ended by a signal",
}


def show(report: RefreshReport, out: Console) -> None:
    if report.stopped == "dry run":
        out.print(f"To be looked at again: {_amount(report.due)}.")
        _unnumbered(report.due, out)
        return
    looked_at = f"{report.posts:,} posts, {report.comments:,} comments, {report.accounts:,} accounts"
    out.print(
        f"Looked at again: {looked_at} with {report.requests:,} requests in {words(report.duration_s)}."
    )
    for count, what in (
        (report.changed, "rows changed (edits, scores, deletions)"),
        (report.deleted, "deleted by their authors: blanked here"),
        (report.vanished, "not known to Reddit any more: blanked here"),
        (report.hidden, "in subreddits that cannot be read for now: kept"),
        (report.accounts_gone, "accounts gone: their names are erased here"),
        (report.accounts_suspended, "accounts suspended: kept"),
        (report.broken, "things that could not be read: kept aside"),
        (report.unconfirmed, "perhaps gone, and not confirmed: asked again by the next refresh"),
        (report.unerased, "names of accounts gone that are still here: erased by the next refresh"),
    ):
        if count:
            out.print(f"{count:>9,}  {what}")
    if report.stopped in _WHY:
        left = f"; left: {_amount(report.left)}" if report.left else "; the next refresh goes on there"
        out.print(f"{_WHY[report.stopped]}{left}.")
    if report.left and report.left.oldest_check_at:
        out.print(f"The oldest check is of {report.left.oldest_check_at:%Y-%m-%d %H:%M} UTC.")
    _unnumbered(report.due, out)


def _amount(some: Outstanding) -> str:
    things = f"{some.posts:,} posts, {some.comments:,} comments, {some.accounts:,} accounts"
    return f"{things} ({some.requests:,} requests, at least {words(some.seconds)})"


def _unnumbered(due: Outstanding, out: Console) -> None:
    if due.unnumbered:
        out.print(
            f"{due.unnumbered:,} accounts have no number of Reddit's here yet: it comes with what they "
            "wrote, and there it shows if they are gone."
        )
