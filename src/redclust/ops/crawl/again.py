"""Comments that were there at the last look: looked at again by their ids."""

from __future__ import annotations

from dataclasses import replace

from redclust.db.connect import Connection
from redclust.ops.crawl.reach import PAGE
from redclust.ops.crawl.state import State
from redclust.reddit.names import base36
from redclust.sql import query


def comments(state: State, connection: Connection) -> tuple[list[str], int]:
    """Ids for one request, and how many of the known posts they are of (0: they are of ``state.gone``)."""
    if state.gone:
        return list(state.gone[:PAGE]), 0
    known = [int(name, 36) for name in state.known[:PAGE]]
    rows = connection.execute(query("crawl", "looked_at_comments"), {"ids": known})
    looks: dict[int, list[int]] = {int(i): ids for i, ids in rows}
    ids: list[str] = []
    taken = 0
    for identity in known:
        of_post = looks.get(identity, [])
        if len(ids) + len(of_post) > PAGE and taken:
            break
        ids += [base36(one) for one in of_post[:PAGE]]
        taken += 1
    return ids, taken


def without(state: State, taken: int) -> State:
    """The state after one such request."""
    if taken:
        return replace(state, known=state.known[taken:])
    return replace(state, gone=state.gone[PAGE:])
