"""``graph why`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.graph.why import WhyReport
from redclust.render.output import plain


def show(report: WhyReport, out: Console) -> None:
    name = f"r/{plain(report.name)}"
    if report.state == "placed":
        _placed(name, report, out)
    elif report.state in ("unrelated", "by chance"):
        _in_no_community(name, report, out)
    else:
        _missing(name, report, out)
    counts = (("post", report.posts), ("comment", report.comments))
    there = [f"{count:,} {what}{'' if count == 1 else 's'}" for what, count in counts]
    if report.imported_interactions:
        there.append(f"{report.imported_interactions:,} imported pairs of a user and this subreddit")
    out.print(f"In the database: {', '.join(there)}")


def _placed(name: str, report: WhyReport, out: Console) -> None:
    for depth, (level, one) in enumerate(
        zip(("continent", "country", "town"), report.communities, strict=False)
    ):
        out.print(f"{name if depth == 0 else ' ' * len(name)} is in the {level} {one.id} {plain(one.label)}")
    out.print(
        f"{report.users_on_map:,} people; related to "
        f"{report.related:,} subreddits by those it shares, to {report.above_chance:,} of these above chance"
    )
    for pull in report.pulls:
        out.print(
            f"{pull.weight_ratio:>6.0%} of its ties go to {pull.community.id} {plain(pull.community.label)}"
        )
    if len(report.pulls) > 1 and report.pulls[0].weight_ratio < 0.5:
        out.print("It belongs to no one of them clearly: a small change of the data may move it")


def _in_no_community(name: str, report: WhyReport, out: Console) -> None:
    out.print(f"{name} is on the map ({report.users_on_map:,} people), and in no community")
    if report.state == "unrelated":
        out.print(f"It shares fewer than {report.min_shared_users} people with every other subreddit")
        out.print("To relate it too: precalc.min_shared_users, or redclust precalc --min-shared-users 1")
    else:
        out.print(
            f"It shares people with {report.related:,} subreddits ({report.most_shared_users:,} at most), "
            "with none of them more than chance would have it"
        )


def _missing(name: str, report: WhyReport, out: Console) -> None:
    out.print(f"{name} is not on the map")
    if report.state == "bots only":
        out.print(
            f"All {report.active_users:,} accounts active there count as bots: marked ones, and those in "
            f"more than {report.max_subreddits_per_user} subreddits (precalc.max_subreddits_per_user)"
        )
    elif report.state == "not counted yet":
        out.print("What stands there has no author, or came after the last redclust precalc")
    else:
        out.print("Nobody was seen writing there: redclust crawl --sub, or redclust import, brings it in")
