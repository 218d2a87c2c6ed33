"""``graph`` in words."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from redclust.ops.graph.communities import LEVELS, CommunitiesReport, CommunityReport, CommunitySummary
from redclust.ops.graph.export import ExportReport
from redclust.ops.graph.map import MapReport
from redclust.ops.graph.names import prefixed
from redclust.ops.graph.nodes import NodeReport, TopReport
from redclust.ops.graph.overview import ShowReport
from redclust.ops.graph.snapshot import Community
from redclust.ops.graph.why import WhyReport
from redclust.ops.precalc import DiffReport, RollbackReport, VersionsReport
from redclust.render import versions, why
from redclust.render.output import plain, size, table
from redclust.report import Report

_EMPTY = "The graph is empty: redclust precalc computes it"


def show(report: Report, out: Console) -> None:
    match report:
        case ShowReport():
            _overview(report, out)
        case TopReport():
            _top(report, out)
        case NodeReport():
            _node(report, out)
        case CommunitiesReport():
            _communities(report, out)
        case CommunityReport():
            _community(report, out)
        case ExportReport():
            _export(report, out)
        case MapReport():
            _map(report, out)
        case WhyReport():
            why.show(report, out)
        case VersionsReport():
            versions.listed(report, out)
        case DiffReport():
            versions.diff(report, out)
        case RollbackReport():
            versions.rollback(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _overview(report: ShowReport, out: Console) -> None:
    if not report.ok:
        out.print(_EMPTY if report.imported else f"{_EMPTY}, after redclust import has brought data in")
        return
    computed = "no precalc is on record"
    if report.computed_at:
        computed = f"{report.computed_at:%Y-%m-%d %H:%M} UTC"
    if report.as_of_at:
        computed += f", from the data of {report.as_of_at:%Y-%m-%d %H:%M} UTC"
    outside = report.subreddits_in_no_community
    links = " + ".join(f"{one.links:,} {one.type}" for one in report.links)
    rows = [
        ("computed", computed),
        ("subreddits", f"{report.subreddits:,}" + (f" ({outside:,} in no community)" if outside else "")),
        ("users", f"{report.users:,}"),
        *([("posts", f"{report.posts:,}"), ("comments", f"{report.comments:,}")] if report.posts else []),
        ("links", links or "0"),
        ("communities", _by_level(report.communities_by_level)),
    ]
    for name, value in rows:
        out.print(f"{name:<12}{value}")
    if report.biggest_communities:
        out.print()
        _summaries(report.biggest_communities, out)
    if report.communities > len(report.biggest_communities):
        out.print(f"The {len(report.biggest_communities)} biggest; redclust graph communities lists more")


def _top(report: TopReport, out: Console) -> None:
    if not report.ok:
        out.print(f"No {report.type} is in the graph: redclust precalc computes it")
        return
    measure = {"subreddit": "users", "user": "activity"}.get(report.type, "score")
    rows = table("", report.type, measure, "community", right=("", measure))
    for place, one in enumerate(report.nodes, 1):
        rows.add_row(f"{place}", name(one.name, one.type), f"{one.val:,}", _label(one.community))
    out.print(rows)


def _node(report: NodeReport, out: Console) -> None:
    node = report.node
    measure = "users" if node.type == "subreddit" else "activity"
    out.print(f"{name(node.name, node.type)} ({node.id})")
    out.print(f"{measure:<10}{node.val:,}")
    out.print(f"{'community':<10}{_label(node.community) or 'none'}")
    total = report.linked_subreddits
    if node.type == "user":
        out.print(f"Active in {_counted(total, len(report.active_in), 'activity')}")
        rows = table("subreddit", "activity", "community", right=("activity",))
        for one in report.active_in:
            rows.add_row(name(one.name), f"{one.activity:,}", _label(one.community))
    else:
        order = "shared users" if report.by == "shared" else report.by
        out.print(f"Shares users with {_counted(total, len(report.neighbours), order)}")
        rows = table("subreddit", "shared users", "chance", "community", right=("shared users", "chance"))
        for one in report.neighbours:
            times = "" if one.times_chance is None else f"x {one.times_chance:.1f}"
            rows.add_row(name(one.name), f"{one.shared_users:,}", times, _label(one.community))
    if not total:
        return
    out.print(rows)
    if report.neighbours:
        out.print("chance: at least so many times the users that chance would have them share")


def _counted(total: int, shown: int, order: str) -> str:
    what = f"{total:,} subreddit{'' if total == 1 else 's'}"
    return f"{what}, by {order}:" if shown == total else f"{what}, the first {shown} by {order}:"


def _communities(report: CommunitiesReport, out: Console) -> None:
    if not report.ok:
        out.print("There are no communities: redclust precalc computes them where subreddits share users")
        return
    _summaries(report.communities, out)
    if report.total > len(report.communities):
        out.print(f"{len(report.communities)} of {report.total:,} {report.level}; --limit shows more")


def _community(report: CommunityReport, out: Console) -> None:
    out.print(f"{'community':<12}{report.id} {plain(report.label)}")
    out.print(f"{'subreddits':<12}{report.subreddits:,}")
    out.print(f"{'users':<12}{report.users:,}")
    if report.terms:
        out.print(f"{'speaks of':<12}{', '.join(plain(term) for term in report.terms)}")
    if report.part_of:
        out.print(f"{'part of':<12}{_label(report.part_of)}")
    if report.parts:
        out.print(f"{'parts':<12}{'; '.join(f'{one.id} {plain(one.label)}' for one in report.parts)}")
    if report.linked:
        out.print(f"{'linked to':<12}{'; '.join(f'{one.id} {plain(one.label)}' for one in report.linked)}")
    rows = table("subreddit", "users", right=("users",))
    for one in report.members:
        rows.add_row(name(one.name), f"{one.val:,}")
    out.print(rows)
    if report.subreddits > len(report.members):
        out.print(f"{len(report.members)} of {report.subreddits:,}; --limit shows more")


def _export(report: ExportReport, out: Console) -> None:
    for file in report.files:
        out.print(f"{plain(file.path)} ({size(file.size_bytes)})")
    if report.files:
        out.print(f"Exported {report.nodes:,} nodes and {report.links:,} links as {report.to}")


def _map(report: MapReport, out: Console) -> None:
    if report.path is None:
        out.print("No subreddit to draw: redclust graph show tells what is in the graph")
    else:
        names = sum(label.kind in ("community", "country", "node") for label in report.labels)
        out.print(f"Map: {plain(report.path)} ({size(report.size_bytes)})")
        out.print(
            f"{report.subreddits:,} subreddits in {report.communities:,} communities, "
            f"{report.links:,} links, {names:,} names"
        )
    if report.left_out_in_no_community:
        out.print(f"Left out, in no community: {report.left_out_in_no_community:,} (--all draws them too)")
    if report.left_out_without_position:
        out.print(f"Left out, without a position: {report.left_out_without_position:,}")


def _by_level(numbers: tuple[int, ...]) -> str:
    return ", ".join(f"{count:,} {level}" for count, level in zip(numbers, LEVELS, strict=True))


def _summaries(communities: Iterable[CommunitySummary], out: Console) -> None:
    rows = table("id", "community", "subreddits", "users", "leading", right=("id", "subreddits", "users"))
    for one in communities:
        leading = ", ".join(name(subreddit) for subreddit in one.leading)
        rows.add_row(f"{one.id}", plain(one.label), f"{one.subreddits:,}", f"{one.users:,}", leading)
    out.print(rows)


def _label(community: Community | None) -> str:
    return "" if community is None else f"{community.id} {plain(community.label)}"


def name(text: str, node_type: str = "subreddit") -> str:
    """A subreddit's or user's name as Reddit writes it, safe for a terminal."""
    return prefixed(plain(text), node_type)
