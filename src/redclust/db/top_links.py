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
    connection.execute(query("top_links", "mark"), {"nodes": NODES, "links": LINKS})


def agree(connection: Connection) -> bool:
    """Whether they are up to the graph, and hold as many as they would if they were made now."""
    row = connection.execute(query("top_links", "marked")).fetchone()
    return row == (NODES, LINKS)


def restore(connection: Connection, *, remark: bool = False) -> None:
    """As :func:`refresh` in a transaction of its own, where somebody but a precalc has written the graph.

    With ``remark`` the caller's transaction says at least that they agree now.
    """
    row = connection.execute(query("top_links", "is_marked")).fetchone()
    if row and row[0]:
        if remark:
            connection.execute(query("top_links", "mark"), {"nodes": NODES, "links": LINKS})
        return
    with connection.transaction():
        connection.execute(query("top_links", "lock_graph"))
        refresh(connection)
