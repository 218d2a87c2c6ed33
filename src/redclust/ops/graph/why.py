"""``graph why``: why a subreddit stands where it stands, or is not on the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph.names import parse, unknown
from redclust.ops.graph.snapshot import Community, snapshot
from redclust.report import Report
from redclust.sql import query

#: How many continents a subreddit's links are told of.
_PULLS = 3

State = Literal["placed", "unrelated", "by chance", "bots only", "nobody", "not counted yet"]


@dataclass(frozen=True, slots=True)
class Pull:
    """A continent, and its share of the weight of the links above chance."""

    community: Community
    weight_ratio: float


@dataclass(frozen=True, slots=True)
class WhyReport(Report):
    """Where one subreddit is, and what put it there.

    ``state``: ``placed`` in communities; on the map without one, as it is ``unrelated`` (it shares fewer than
    ``min_shared_users`` users with any other) or shares none but ``by chance``; or not on the map, as the
    active ones are ``bots only``, ``nobody`` is active, or what stands there was ``not counted yet``.
    """

    verb: ClassVar[str] = "graph.why"
    name: str
    state: State
    communities: tuple[Community, ...]
    pulls: tuple[Pull, ...]
    related: int
    above_chance: int
    most_shared_users: int
    min_shared_users: int | None
    max_subreddits_per_user: int | None
    active_users: int
    users_on_map: int
    posts: int
    comments: int
    imported_interactions: int

    @property
    def ok(self) -> bool:
        return self.state == "placed"


def why(database: Database, text: str) -> WhyReport:
    """Look at everything that decides about one subreddit; reads posts and comments once.

    Raises:
        UsageError: there is no such subreddit in the database; says which names are close.
    """
    wanted = parse(text)
    with snapshot(database, bulk=True) as connection:
        row = connection.execute(query("graph", "subreddit_outside"), {"name": wanted.name}).fetchone()
        if row is None or "subreddit" not in wanted.types:
            if "subreddit" not in wanted.types:
                raise UsageError(f"{wanted} is not a subreddit", hint="redclust graph node u/NAME")
            raise unknown(connection, wanted)
        return _explained(connection, row[0], row[1])


def _explained(connection: Connection, number: int, name: str) -> WhyReport:
    one, node = {"id": number}, {"id": f"subreddit_{number}", "limit": _PULLS}
    path = connection.execute(query("graph", "why_path"), node).fetchall()
    pulls = connection.execute(query("graph", "why_pulls"), node).fetchall()
    ((written, comments, imported),) = connection.execute(query("graph", "why_written"), one).fetchall()
    ((active, on_map),) = connection.execute(query("graph", "why_active"), one).fetchall()
    ((related, above, most),) = connection.execute(query("graph", "why_related"), one).fetchall()
    run = connection.execute(query("graph", "why_settings")).fetchone() or (None,) * 4
    total = sum(weight for _, _, weight in pulls) or 1.0
    state: State
    if path:
        state = "placed"
    elif on_map:
        state = "by chance" if related else "unrelated"
    elif active:
        state = "bots only"
    else:
        state = "not counted yet" if written or comments or imported else "nobody"
    return WhyReport(
        name=name,
        state=state,
        communities=tuple(Community(*community) for community in path),
        pulls=tuple(Pull(Community(i, label), round(weight / total, 4)) for i, label, weight in pulls),
        related=related,
        above_chance=above,
        most_shared_users=most,
        min_shared_users=run[2],
        max_subreddits_per_user=run[3],
        active_users=active,
        users_on_map=on_map,
        posts=written,
        comments=comments,
        imported_interactions=imported,
    )
