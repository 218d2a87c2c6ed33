"""The graph that is shown, back out of its tables: what an incremental run starts from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg

from redclust import __version__
from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.graph.keys import key
from redclust.graph.overlap import Minimum
from redclust.ops.precalc import history
from redclust.ops.precalc.figures import Figures
from redclust.sql import query

Int64Array = npt.NDArray[np.int64]

_ACTIVITY = np.dtype([("user", ">i4"), ("subreddit", ">i4"), ("count", ">i8")])
_PAIR = np.dtype([("one", ">i4"), ("other", ">i4"), ("shared", ">i4"), ("weight", ">f8")])
_NODE = np.dtype(
    [
        ("is_user", ">i4"),
        ("id", ">i4"),
        ("name", ">i4"),
        ("levels", ">i4", 3),
        ("val", ">i8"),
        ("position", ">f8", 2),
    ]
)
#: Pages of a table that the server packs at a time.
_BLOCK_PAGES = 800


class Keyed(NamedTuple):
    """Rows of a table by ascending keys of two ids, and their values, each [n] or [n, k]."""

    keys: Int64Array
    values: tuple[npt.NDArray[np.generic], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """The graph in ids: activity (count), pairs (shared, weight; the lesser id first), subreddits and users
    (val, position, levels, and a number that follows from the name's spelling).

    ``minimum`` is the fewest shared users of its pairs; ``rows`` how many rows each table has; ``top_mark``
    the transaction that has marked the stored links.
    """

    minimum: Minimum
    activity: Keyed
    pairs: Keyed
    subreddits: Keyed
    users: Keyed
    rows: Mapping[str, int]
    top_mark: str | None

    @property
    def subreddit_ids(self) -> npt.NDArray[np.int32]:
        """Of those that are nodes, ascending."""
        return self.subreddits.keys.astype(np.int32)

    @property
    def user_ids(self) -> npt.NDArray[np.int32]:
        """Of those that are nodes, ascending."""
        return self.users.keys.astype(np.int32)


def keyed(keys: Int64Array, *values: npt.NDArray[np.generic]) -> Keyed:
    """Rows by their keys, each of which is there once; a sort, unless they are in order."""
    if not bool((keys[1:] < keys[:-1]).any()):
        return Keyed(keys, values)
    order = np.argsort(keys)
    return Keyed(keys[order], tuple(value[order] for value in values))


@contextmanager
def beside(database: Database, settings: PrecalcSettings) -> Generator[Callable[[], Shown | str | None]]:
    """:func:`read` on a session and a thread of its own, while the block does something else; called, what is
    given waits for it. Who leaves the block early ends it.
    """
    with (
        database.connect(bulk=True, autocommit=True, role="shown") as session,
        ThreadPoolExecutor(1) as threads,
    ):
        found = threads.submit(read, session, settings)
        try:
            yield found.result
        except BaseException:
            while not found.done():
                with suppress(psycopg.Error):
                    session.cancel_safe(timeout=1)
                wait([found], timeout=0.05)
            raise


def read(connection: Connection, settings: PrecalcSettings) -> Shown | str | None:
    """Fetch it as it was swapped in; or why it cannot be started from. None: there is none.

    It must be the whole work of the newest run, of this version and without details, and nobody else's:
    what others have written in its tables since is told by its transaction, what they have deleted by its
    number. Reads each table once; 16 to 56 bytes a row.
    """
    run = history.shown(connection)
    if run is None:
        return None
    if run.settings.get("redclust") != __version__:
        return "the graph that is shown was put back, or is another version's"
    if settings.detailed or settings.heights or run.settings["detailed"] or run.settings["heights"]:
        return "posts, comments and heights are computed in full"
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            marks = connection.execute(query("precalc", "swapped_since")).fetchone()
            if marks is None or marks[0] != run.id:
                return "it cannot be told who wrote the graph that is shown"
            values = {"since": marks[1], "swap": marks[2]}
            return _read(connection, run.figures, values, links_as_written=marks[3], top_mark=marks[4])
    finally:
        connection.isolation_level = None


def _read(
    connection: Connection,
    figures: Figures,
    marks: dict[str, int],
    *,
    links_as_written: bool,
    top_mark: str | None,
) -> Shown | str:
    activity, n_activity, foreign = _rows(connection, "user_subreddit_activity", "activity", _ACTIVITY, marks)
    pairs, n_pairs, more = _rows(connection, "subreddit_relationships", "relationships", _PAIR, marks)
    nodes, n_nodes, most = _rows(connection, "graph_nodes", "nodes", _NODE, marks)
    written = {change.table: change.rows for change in figures.changes}
    n_links, others = written.get("graph_links", 0), 0
    if not links_as_written:
        n_links, others = connection.execute(query("precalc", "shown_links"), marks).fetchall()[0]
    foreign += more + most + others
    there = {
        "user_subreddit_activity": n_activity,
        "subreddit_relationships": n_pairs,
        "graph_nodes": n_nodes,
        "graph_links": n_links,
    }
    if foreign or any(written.get(table) != rows for table, rows in there.items()):
        return "the graph that is shown was written by others since"
    return Shown(
        Minimum(figures.min_shared_users, figures.min_shared_users_small),
        keyed(key(activity["user"], activity["subreddit"]), activity["count"].astype(np.int64)),
        keyed(
            key(pairs["one"], pairs["other"]),
            pairs["shared"].astype(np.int32),
            pairs["weight"].astype(np.float64),
        ),
        _nodes(nodes[nodes["is_user"] == 0]),
        _nodes(nodes[nodes["is_user"] == 1]),
        there,
        top_mark,
    )


def _nodes(rows: npt.NDArray[np.void]) -> Keyed:
    return keyed(
        rows["id"].astype(np.int64),
        rows["val"].astype(np.int64),
        rows["position"].astype(np.float64),
        rows["levels"].astype(np.int32),
        rows["name"].astype(np.int32),
    )


def _rows(
    connection: Connection, table: str, name: str, dtype: np.dtype[np.void], marks: dict[str, int]
) -> tuple[npt.NDArray[np.void], int, int]:
    """The packed rows of a table; how many rows it has, and how many of them are others' perhaps."""
    row = connection.execute(query("precalc", "pages_of"), {"table": table}).fetchone()
    blocks: list[npt.NDArray[np.void]] = [np.empty(0, dtype)]
    rows = foreign = 0
    for first in range(0, row[0] if row else 0, _BLOCK_PAGES):
        values = {**marks, "first": f"({first},0)", "last": f"({first + _BLOCK_PAGES},0)"}
        found = connection.execute(query("precalc", f"shown_{name}"), values, binary=True).fetchone()
        if found:
            blocks.append(np.frombuffer(found[0] or b"", dtype))
            rows += found[1]
            foreign += found[2]
    return np.concatenate(blocks), rows, foreign
