"""``graph communities``: those of a level by size, or one with what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph.snapshot import Community, number, snapshot
from redclust.report import Report
from redclust.sql import query

LEADING = 5
#: How many neighbours of a community, and communities inside it, are told.
_BESIDE = 5
LEVELS = ("continents", "countries", "towns")


@dataclass(frozen=True, slots=True)
class CommunitySummary:
    """A community with the names of its biggest subreddits, the biggest first.

    ``terms`` are words that its posts' titles hold more often than those of others of its level.
    """

    id: int
    label: str
    terms: tuple[str, ...]
    subreddits: int
    users: int
    leading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommunitiesReport(Report):
    """The biggest ``len(communities)`` of ``total`` communities of a level."""

    verb: ClassVar[str] = "graph.communities"
    level: str
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
class LinkedCommunity:
    """One of the same level, and the links above chance between the subreddits of the two."""

    id: int
    label: str
    links: int
    weight: float


@dataclass(frozen=True, slots=True)
class CommunityReport(Report):
    """One community, the biggest of its ``subreddits``, what it lies in, and the biggest that lie in it."""

    verb: ClassVar[str] = "graph.community"
    id: int
    label: str
    subreddits: int
    users: int
    members: tuple[Member, ...]
    level: str
    terms: tuple[str, ...]
    part_of: Community | None
    parts: tuple[CommunitySummary, ...]
    linked: tuple[LinkedCommunity, ...]


def communities(database: Database, *, level: str = LEVELS[0], limit: int) -> CommunitiesReport:
    """The biggest communities of a level; reads every subreddit's row once."""
    with snapshot(database) as connection:
        total = counts(connection)[LEVELS.index(level)]
        return CommunitiesReport(level, total, biggest(connection, limit, level=level))


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
        parts = biggest(connection, _BESIDE, parent=identity)
        linked = connection.execute(
            query("graph", "linked_communities"), {"id": identity, "limit": _BESIDE}
        ).fetchall()
    return CommunityReport(
        id=found[0],
        label=found[1],
        subreddits=rows[0][3] if rows else 0,
        users=found[3],
        members=tuple(Member(node, name, number(val)) for node, name, val, _ in rows),
        level=LEVELS[int(found[4])],
        terms=tuple(found[5]),
        part_of=None if found[6] is None else Community(found[6], found[7]),
        parts=parts,
        linked=tuple(LinkedCommunity(*row) for row in linked),
    )


def biggest(
    connection: Connection, limit: int, *, level: str = LEVELS[0], parent: int | None = None
) -> tuple[CommunitySummary, ...]:
    """The communities of a level, or those inside one, with most subreddits, the first ``limit``."""
    asked = {"limit": limit, "leading": LEADING, "level": LEVELS.index(level), "parent": parent}
    rows = connection.execute(query("graph", "communities"), asked)
    return tuple(
        CommunitySummary(identity, label, tuple(terms), subreddits, users, tuple(leading))
        for identity, label, terms, subreddits, users, leading in rows
    )


def counts(connection: Connection) -> tuple[int, ...]:
    """How many communities there are at each level."""
    found: dict[int, int] = dict(connection.execute(query("graph", "count_communities")).fetchall())
    return tuple(found.get(level, 0) for level in range(len(LEVELS)))
