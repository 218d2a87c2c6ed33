"""``graph communities``: all of them by size, or the members of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph.snapshot import number, snapshot, value
from redclust.report import Report
from redclust.sql import query

LEADING = 5


@dataclass(frozen=True, slots=True)
class CommunitySummary:
    """A community with the names of its biggest subreddits, the biggest first."""

    id: int
    label: str
    subreddits: int
    users: int
    leading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommunitiesReport(Report):
    """The biggest ``len(communities)`` of ``total`` communities."""

    verb: ClassVar[str] = "graph.communities"
    total: int
    communities: tuple[CommunitySummary, ...]

    @property
    def ok(self) -> bool:
        return bool(self.communities)


@dataclass(frozen=True, slots=True)
class Member:
    id: str
    name: str
    val: int | float


@dataclass(frozen=True, slots=True)
class CommunityReport(Report):
    """One community and the biggest ``len(members)`` of its ``subreddits``."""

    verb: ClassVar[str] = "graph.community"
    id: int
    label: str
    subreddits: int
    users: int
    members: tuple[Member, ...]


def communities(database: Database, *, limit: int) -> CommunitiesReport:
    """The biggest communities; reads every subreddit's row once."""
    with snapshot(database) as connection:
        return CommunitiesReport(value(connection, "count_communities"), biggest(connection, limit))


def community(database: Database, identity: int, *, limit: int) -> CommunityReport:
    """One community with its biggest members.

    Raises:
        UsageError: there is no community of that number.
    """
    with snapshot(database) as connection:
        found = connection.execute(query("graph", "community"), {"id": identity}).fetchone()
        if found is None:
            raise UsageError(
                f"there is no community {identity}", hint="redclust graph communities lists them all"
            )
        rows = connection.execute(query("graph", "members"), {"id": identity, "limit": limit}).fetchall()
    total = rows[0][3] if rows else 0
    members = tuple(Member(node, name, number(val)) for node, name, val, _ in rows)
    return CommunityReport(found[0], found[1], total, found[3], members)


def biggest(connection: Connection, limit: int) -> tuple[CommunitySummary, ...]:
    """The communities with most subreddits, the first ``limit``."""
    rows = connection.execute(query("graph", "communities"), {"limit": limit, "leading": LEADING})
    return tuple(CommunitySummary(*row[:4], leading=tuple(row[4])) for row in rows)
