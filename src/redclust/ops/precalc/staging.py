"""The numbers of the new graph into temporary tables of the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from redclust.db.connect import Connection
from redclust.ops.precalc.atlas import CommunityTable, Pairs, Places, UserPlaces
from redclust.ops.precalc.snapshot import People
from redclust.report import Task
from redclust.sql import query

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def stage(
    connection: Connection,
    people: People,
    pairs: Pairs,
    places: Places,
    user_places: UserPlaces,
    communities: CommunityTable,
    *,
    node_block_rows: int,
    link_block_rows: int,
    task: Task,
) -> None:
    """Send nodes, pairs and communities; with the snapshot's tables they are the whole new graph.

    Linear; blocks bound what is held twice.
    """
    task.total(len(people.subreddit_ids) + len(people.user_ids) + len(pairs.source))
    for name in ("stage_placed_subreddits", "stage_placed_users", "stage_pairs", "stage_communities"):
        connection.execute(query("precalc", name))
    subreddits = (people.subreddit_ids, people.people.astype(np.int64), *_place(places))
    _copy(connection, "copy_placed_subreddits", subreddits, node_block_rows, task.advance)
    users = (people.user_ids, people.total, *_place(user_places))
    _copy(connection, "copy_placed_users", users, node_block_rows, task.advance)
    ids = people.subreddit_ids
    related = (ids[pairs.source], ids[pairs.target], pairs.shared, pairs.weight)
    _copy(connection, "copy_pairs", related, link_block_rows, task.advance)
    connection.execute(
        query("precalc", "add_communities"),
        {
            "labels": list(communities.labels),
            "subreddits": communities.subreddits.tolist(),
            "users": communities.users.tolist(),
            "pos_x": communities.centre[:, 0].tolist(),
            "pos_y": communities.centre[:, 1].tolist(),
        },
    )
    connection.execute(query("precalc", "analyze_staged"))


def encode(columns: Sequence[npt.NDArray[np.generic]], first: int, last: int) -> bytes:
    """Rows ``first`` to ``last`` as tuples of the binary COPY format, without its header.

    Source: PostgreSQL documentation, COPY, "Binary Format".
    """
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for i, column in enumerate(columns):
        layout += [(f"length{i}", ">i4"), (f"value{i}", column.dtype.newbyteorder(">").str)]
    rows = np.empty(last - first, np.dtype(layout))
    rows["columns"] = len(columns)
    for i, column in enumerate(columns):
        rows[f"length{i}"] = column.dtype.itemsize
        rows[f"value{i}"] = column[first:last]
    return rows.tobytes()


def _copy(
    connection: Connection,
    statement: str,
    columns: Sequence[npt.NDArray[np.generic]],
    block_rows: int,
    advance: Callable[[float], None],
) -> None:
    n_rows = len(columns[0])
    with connection.cursor().copy(query("precalc", statement)) as copy:
        copy.write(_HEADER)
        for first in range(0, n_rows, block_rows):
            last = min(first + block_rows, n_rows)
            copy.write(encode(columns, first, last))
            advance(last - first)
        copy.write(_TRAILER)


def _place(places: Places | UserPlaces) -> tuple[npt.NDArray[np.generic], ...]:
    return places.position[:, 0], places.position[:, 1], places.community
