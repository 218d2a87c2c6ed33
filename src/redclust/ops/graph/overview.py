"""``graph show``: how large the graph is, when it was computed, and its biggest communities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db.session import Database
from redclust.ops.graph.communities import CommunitySummary, biggest, counts
from redclust.ops.graph.snapshot import snapshot, value
from redclust.report import Report
from redclust.sql import query

COMMUNITIES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class LinkCount:
    type: str
    links: int


@dataclass(frozen=True, slots=True)
class ShowReport(Report):
    """The graph at a glance; ``as_of_at`` is the moment whose data it shows.

    ``communities`` are those of the first level. Both times are None where no precalc is on record, as
    after a graph was cleared by hand.
    """

    verb: ClassVar[str] = "graph.show"
    computed_at: datetime | None
    as_of_at: datetime | None
    imported: bool
    subreddits: int
    users: int
    posts: int
    comments: int
    subreddits_in_no_community: int
    links: tuple[LinkCount, ...]
    communities: int
    communities_by_level: tuple[int, ...]
    biggest_communities: tuple[CommunitySummary, ...]

    @property
    def ok(self) -> bool:
        return bool(self.subreddits or self.users)


def show(database: Database) -> ShowReport:
    """Count the graph; reads every link once (about a second for five million)."""
    with snapshot(database) as connection:
        run = connection.execute(query("graph", "shown_run")).fetchone() or (None, None)
        nodes = {row[0]: row[1:] for row in connection.execute(query("graph", "count_nodes"))}
        links = connection.execute(query("graph", "count_links")).fetchall()
        subreddits, outside = nodes.get("subreddit", (0, 0))
        users, _ = nodes.get("user", (0, 0))
        by_level = counts(connection)
        return ShowReport(
            computed_at=run[0] if nodes else None,
            as_of_at=run[1] if nodes else None,
            imported=value(connection, "holds_subreddits"),
            subreddits=subreddits,
            users=users,
            posts=nodes.get("post", (0, 0))[0],
            comments=nodes.get("comment", (0, 0))[0],
            subreddits_in_no_community=outside,
            links=tuple(LinkCount(*row) for row in sorted(links)),
            communities=by_level[0],
            communities_by_level=by_level,
            biggest_communities=biggest(connection, COMMUNITIES_SHOWN),
        )
