"""What every look at the graph begins with: one graph, whatever a precalc swaps in meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import IsolationLevel

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.sql import query

NodeType = Literal["subreddit", "user", "post", "comment"]


@dataclass(frozen=True, slots=True)
class Community:
    """Which community a node is in; ids are numbered by size and change from one precalc to the next."""

    id: int
    label: str


@contextmanager
def snapshot(database: Database, *, bulk: bool = False) -> Generator[Connection]:
    """One REPEATABLE READ transaction that cannot write; ``bulk`` as in :meth:`Database.connect`."""
    with database.connect(bulk=bulk) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def value(connection: Connection, name: str, parameters: dict[str, Any] | None = None) -> Any:
    """The only value of the only row of a query of ``sql/graph.sql``."""
    (row,) = connection.execute(query("graph", name), parameters).fetchall()
    return row[0]


def number(stored: float) -> int | float:
    """A ``val`` as JSON and people write it: what precalc stores are counts."""
    return int(stored) if stored.is_integer() else stored


def community(identity: int | None, label: str | None) -> Community | None:
    """The community of a row; None for a node without one."""
    return None if identity is None else Community(identity, label or "")
