"""The heaviest links among the biggest nodes, stored beside the graph for those who draw it."""

from __future__ import annotations

from collections.abc import Iterator

from redclust.db.connect import Connection
from redclust.sql import query

#: Questions of so many nodes and links are answered from one index; larger ones from the graph itself.
NODES, LINKS = 20_000, 50_000
#: All links are stored where they are not many more; else those that some question needs.
ALL_UP_TO = 6 * LINKS
#: Fewer nodes than this have no more links than one answer.
_FIRST_BOUND = 300


def refresh(connection: Connection) -> int:
    """Bring the stored links up to the graph, in the transaction of the caller; the rows that changed.

    The caller has locked nodes and links against writers, so that nothing can come between. Linear in the
    links among the biggest nodes; at most about ten times ``LINKS`` are stored where weight and size are
    independent, and rows are written only where a node or a link has changed.
    """
    values = {"nodes": NODES, "links": LINKS}
    staged = connection.execute(query("top_links", "stage"), values).rowcount
    for bound in bounds():
        if staged <= ALL_UP_TO:
            break
        staged -= connection.execute(query("top_links", "prune"), {**values, "bound": bound}).rowcount
    for step in ("analyze", "stage_changes"):
        connection.execute(query("top_links", step))
    changed = sum(connection.execute(query("top_links", step)).rowcount for step in ("remove", "add"))
    connection.execute(query("top_links", "mark"), values)
    return changed


def bounds() -> Iterator[int]:
    """So many of the biggest nodes at a time are looked at to find links that no question needs."""
    bound = _FIRST_BOUND
    while bound < NODES:
        yield bound
        bound *= 2


def follow(connection: Connection) -> None:
    """Bring the stored links up to a graph that was changed, from the rows staged for that.

    In the transaction of the caller, where they agreed with the graph before it.
    """
    for step in ("by_hash", "remove_gone", "add_new"):
        connection.execute(query("top_links", step))
    mark(connection)


def mark(connection: Connection) -> None:
    """Let the caller's transaction say that they agree with the graph."""
    connection.execute(query("top_links", "mark"), {"nodes": NODES, "links": LINKS})


def agree(connection: Connection, *, since: str | None) -> bool:
    """Whether nobody has written the graph since that transaction marked them (None: none has), and they
    hold as many as they would if they were made now.
    """
    row = connection.execute(query("top_links", "marked")).fetchone()
    return row == (NODES, LINKS, since)


def restore(connection: Connection) -> None:
    """As :func:`refresh` in a transaction of its own, where somebody but a precalc has written the graph."""
    row = connection.execute(query("top_links", "is_marked")).fetchone()
    if row and row[0]:
        return
    with connection.transaction():
        connection.execute(query("top_links", "lock_graph"))
        refresh(connection)
