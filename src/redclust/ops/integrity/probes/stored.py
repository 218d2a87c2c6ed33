"""Links that are stored beside the graph for its readers, and the graph."""

from __future__ import annotations

from redclust.ops.integrity.finding import Found, Look
from redclust.sql import query


def top_links(look: Look) -> Found:
    """Stored links beside those of the graph; nobody reads them while they are marked as out of date."""
    connection = look.moment.connection
    row = connection.execute(query("top_links", "is_marked")).fetchone()
    if not row or not row[0]:
        return Found(note="links of the biggest nodes are read from the graph itself until the next precalc")
    rows = connection.execute(query("top_links", "differences"), look.values()).fetchall()
    return Found(int(rows[0][1]) if rows else 0, tuple(str(key) for key, _ in rows))
