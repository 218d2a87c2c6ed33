"""``rehearse`` in words: a file of settings, with the words in its comments."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.rehearse import RehearsalReport
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    if not isinstance(report, RehearsalReport):
        raise TypeError(type(report).__name__)
    out.print(
        f"# {report.url}: {report.subreddits} subreddits, {report.users} users, {report.posts} posts and "
        f"{report.comments} comments"
    )
    out.print(f"# seed {report.seed}; planted: {', '.join(report.communities)}")
    out.print(f"# {report.budget_requests} requests in {report.budget_window_s:g} s for each client id")
    for rule in report.weather:
        out.print(f"# weather: {rule}")
    out.print("# As a file, with a home of its own, so that nothing of it gets into another map:")
    out.print(f"#   redclust --home HOME --env-file FILE crawl --sub {report.examples[0]}")
    for name, value in report.environment.items():
        out.print(f'{name}="{value}"' if " " in value else f"{name}={value}")
