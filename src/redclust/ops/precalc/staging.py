"""The numbers of the new graph into temporary tables of the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from redclust.db import binary_copy
from redclust.db.connect import Connection
from redclust.ops.precalc.activity import Counted
from redclust.ops.precalc.atlas import Pairs, Places
from redclust.ops.precalc.regions import CommunityLinks, CommunityTable, UserPlaces
from redclust.ops.precalc.snapshot import People
from redclust.report import Task
from redclust.sql import query


def stage(
    connection: Connection,
    counted: Counted,
    people: People,
    pairs: Pairs,
    places: Places,
    user_places: UserPlaces,
    *,
    node_block_rows: int,
    link_block_rows: int,
    task: Task,
) -> None:
    """Send activity, nodes and pairs; with names and regions they are the whole new graph.

    Linear; blocks bound what is held twice.
    """
    task.total(len(counted.keys) + len(people.subreddit_ids) + len(people.user_ids) + len(pairs.source))
    for name in (
        "stage_activity",
        "stage_placed_subreddits",
        "stage_placed_users",
        "stage_pairs",
    ):
        connection.execute(query("precalc", name))
    activity = counted.users, counted.subreddits, counted.times
    _copy(connection, "copy_activity", activity, link_block_rows, task.advance)
    subreddits = (people.subreddit_ids, people.people.astype(np.int64), *_place(places))
    _copy(connection, "copy_placed_subreddits", subreddits, node_block_rows, task.advance)
    users = (people.user_ids, people.total, *_place(user_places))
    _copy(connection, "copy_placed_users", users, node_block_rows, task.advance)
    ids = people.subreddit_ids
    related = (ids[pairs.source], ids[pairs.target], pairs.shared, pairs.weight)
    _copy(connection, "copy_pairs", related, link_block_rows, task.advance)
    connection.execute(query("precalc", "analyze_staged"))


def stage_regions(
    connection: Connection,
    communities: Sequence[CommunityTable],
    community_links: CommunityLinks,
    *,
    link_block_rows: int,
) -> None:
    """Send communities and the links between them; linear."""
    connection.execute(query("precalc", "stage_communities"))
    connection.execute(query("precalc", "stage_community_links"))
    for table in communities:
        connection.execute(query("precalc", "add_communities"), _rows(table))
    between = (community_links.source, community_links.target, community_links.links, community_links.weight)
    _copy(connection, "copy_community_links", between, link_block_rows, lambda _: None)
    connection.execute(query("precalc", "analyze_regions"))


def define(connection: Connection) -> None:
    """The rows of the new graph as views of all that is staged; computes nothing."""
    for name in ("stage_relationships", "stage_nodes", "stage_links"):
        connection.execute(query("precalc", name))


def _copy(
    connection: Connection,
    statement: str,
    columns: Sequence[npt.NDArray[np.generic]],
    block_rows: int,
    advance: Callable[[float], None],
) -> None:
    def blocks() -> Iterator[npt.NDArray[np.int64]]:
        n_rows = len(columns[0])
        for first in range(0, n_rows, block_rows):
            rows = np.arange(first, min(first + block_rows, n_rows))
            yield rows
            advance(len(rows))

    fixed = [binary_copy.Fixed(column) for column in columns]
    binary_copy.send(connection, query("precalc", statement), fixed, None, blocks())


def _place(places: Places | UserPlaces) -> tuple[npt.NDArray[np.generic], ...]:
    return places.position[:, 0], places.position[:, 1], *places.levels


def _rows(table: CommunityTable) -> dict[str, list[Any]]:
    return {
        "ids": table.ids.tolist(),
        "levels": [table.level] * len(table.ids),
        "parents": table.parents.tolist(),
        "labels": list(table.labels),
        "terms": [" ".join(terms) for terms in table.terms],
        "subreddits": table.subreddits.tolist(),
        "users": table.users.tolist(),
        "pos_x": table.centre[:, 0].tolist(),
        "pos_y": table.centre[:, 1].tolist(),
    }
