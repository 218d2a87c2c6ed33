"""``graph top`` and ``graph node``: the biggest nodes, and one node with its neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from redclust.db.session import Database
from redclust.ops.graph.names import Wanted, parse, unknown
from redclust.ops.graph.snapshot import Community, Connection, NodeType, community, number, snapshot
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Node:
    """``val`` is what makes a node big: users of a subreddit, activity of a user, score of the rest."""

    id: str
    name: str
    type: NodeType
    val: int | float
    community: Community | None


@dataclass(frozen=True, slots=True)
class TopReport(Report):
    verb: ClassVar[str] = "graph.top"
    type: NodeType
    nodes: tuple[Node, ...]

    @property
    def ok(self) -> bool:
        return bool(self.nodes)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A subreddit that shares users with another.

    They are at least ``times_chance`` as many as by chance, at the lower confidence bound; ``weight`` is the
    natural logarithm of that.
    """

    id: str
    name: str
    shared_users: int | float
    weight: float | None
    times_chance: float | None
    community: Community | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A subreddit that a user is active in; ``activity`` counts posts and comments."""

    id: str
    name: str
    activity: int | float
    community: Community | None


@dataclass(frozen=True, slots=True)
class NodeReport(Report):
    """A node and the first of its ``linked_subreddits``: its neighbours, or where a user is active."""

    verb: ClassVar[str] = "graph.node"
    node: Node
    by: Literal["weight", "shared"]
    linked_subreddits: int
    neighbours: tuple[Neighbour, ...]
    active_in: tuple[Membership, ...]


def top(database: Database, node_type: NodeType, *, limit: int) -> TopReport:
    """The nodes with the highest ``val``, read from an index."""
    with snapshot(database) as connection:
        rows = connection.execute(query("graph", "top"), {"type": node_type, "limit": limit})
        return TopReport(node_type, tuple(_node(row) for row in rows))


def node(database: Database, text: str, *, limit: int, by: Literal["weight", "shared"]) -> NodeReport:
    """Find a node by what a person types and read its links; grows with its subreddits, not with its users.

    ``by`` orders the neighbours of a subreddit; those of a user come by activity.

    Raises:
        UsageError: nothing of that name is in the graph; says which names are close.
    """
    wanted = parse(text)
    with snapshot(database) as connection:
        found = _find(connection, wanted)
        if found is None:
            raise unknown(connection, wanted)
        parameters = {"id": found.id, "limit": limit, "by": by}
        rows = connection.execute(query("graph", "neighbours"), parameters).fetchall()
    neighbours: list[Neighbour] = []
    active_in: list[Membership] = []
    for identity, name, community_id, label, val, weight, _ in rows:
        inside = community(community_id, label)
        if found.type == "subreddit":
            times = None if weight is None else round(math.exp(weight), 2)
            neighbours.append(Neighbour(identity, name, number(val), weight, times, inside))
        else:
            active_in.append(Membership(identity, name, number(val), inside))
    total = rows[0][6] if rows else 0
    return NodeReport(found, by, total, tuple(neighbours), tuple(active_in))


def _find(connection: Connection, wanted: Wanted) -> Node | None:
    row = None
    if wanted.node_id:
        row = connection.execute(query("graph", "node_by_id"), {"id": wanted.node_id}).fetchone()
    if row is None:
        parameters = {"name": wanted.name, "types": list(wanted.types)}
        row = connection.execute(query("graph", "node_by_name"), parameters).fetchone()
    return None if row is None else _node(row)


def _node(row: tuple[Any, ...]) -> Node:
    identity, name, node_type, val, community_id, label = row
    return Node(identity, name, node_type, number(val), community(community_id, label))
