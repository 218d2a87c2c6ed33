"""Authors who are asked where else they are active."""

from __future__ import annotations

from dataclasses import replace

from redclust.db.connect import Connection
from redclust.duration import seconds
from redclust.ops.crawl import discovery
from redclust.ops.crawl.reach import Reach
from redclust.ops.crawl.state import State
from redclust.reddit.pages import Page
from redclust.sql import query


def choose(state: State, posts: list[int], reach: Reach, connection: Connection) -> State:
    """With authors of these posts: people who were not asked lately, up to the limit."""
    settings = reach.settings
    if not reach.discovers or len(state.authors) >= settings.discover_authors:
        return state
    values = {"ids": posts, "recheck_after_s": seconds(settings.recheck_after)}
    row = connection.execute(query("crawl", "authors_to_ask"), values).fetchone()
    new = [one for one in (row[0] if row and row[0] else ()) if one not in state.authors]
    return replace(state, authors=(*state.authors, *new)[: settings.discover_authors])


def name_of(state: State, connection: Connection) -> str | None:
    """What the author in hand is called; None where the account is gone by now."""
    row = connection.execute(query("crawl", "author_name"), {"id": state.authors[0]}).fetchone()
    return str(row[0]) if row else None


def asked(state: State, page: Page, connection: Connection) -> State:
    """The state once the author in hand has been asked; what the account wrote is not stored, only where."""
    connection.execute(query("crawl", "write_author_look"), {"id": state.authors[0]})
    found = discovery.active_in([*page.posts, *page.comments])
    return replace(state.with_found(found), authors=state.authors[1:])
