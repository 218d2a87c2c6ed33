"""What is to be looked at again, the oldest check first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from redclust.db.connect import Connection
from redclust.ops.crawl.refresh.report import Outstanding
from redclust.sql import query

#: What one request looks at.
BATCH = 100
#: So many things are chosen at a time, by one pass over the tables.
CHUNK = 100_000


@dataclass(frozen=True, slots=True)
class Things:
    """Posts and comments for one request, as ``(is_comment, id)``."""

    ids: tuple[tuple[bool, int], ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts for one request: their ids here by Reddit's numbers."""

    ids: dict[int, int]


Batch = Things | Accounts
#: Things ``(is_comment, id, checked_s)`` and accounts ``(id here, Reddit's number, checked_s)``.
Rows = tuple[list[tuple[bool, int, float]], list[tuple[int, int, float]]]


def chunks(
    ask: Callable[[Callable[[Connection], Rows]], Rows], before: datetime, passed_over: set[tuple[bool, int]]
) -> Iterator[list[Batch]]:
    """What was not checked since ``before``, a request's worth at a time, until nothing is left.

    ``ask`` runs queries on a session. A chunk costs a pass over posts and comments and some memory. What was
    looked at is known by its new time of check; ``passed_over`` are things that have none, and are not
    chosen again.
    """

    def chosen(connection: Connection) -> Rows:
        values = {"before": before, "limit": CHUNK + len(passed_over)}
        things = connection.execute(query("refresh", "due_things"), values).fetchall()
        accounts = connection.execute(query("refresh", "due_accounts"), values).fetchall()
        return [row for row in things if (row[0], row[1]) not in passed_over], accounts

    while True:
        things, accounts = ask(chosen)
        if not things and not accounts:
            return
        yield list(_merged(things, accounts))


def _merged(things: list[tuple[bool, int, float]], accounts: list[tuple[int, int, float]]) -> Iterator[Batch]:
    """Batches of both kinds, in the order of the oldest check in each."""
    thing = account = 0
    while thing < len(things) or account < len(accounts):
        if account >= len(accounts) or (thing < len(things) and things[thing][2] <= accounts[account][2]):
            yield Things(tuple((row[0], row[1]) for row in things[thing : thing + BATCH]))
            thing += BATCH
        else:
            yield Accounts({row[1]: row[0] for row in accounts[account : account + BATCH]})
            account += BATCH


def outstanding(connection: Connection, before: datetime, *, per_minute: float) -> Outstanding:
    """How much there is to do; one pass over posts and comments."""
    row = connection.execute(query("refresh", "outstanding"), {"before": before}).fetchone()
    posts, comments, accounts, unnumbered, oldest = row or (0, 0, 0, 0, None)
    requests = -(-(posts + comments) // BATCH) + -(-accounts // BATCH)
    return Outstanding(posts, comments, accounts, unnumbered, oldest, requests, requests * 60 / per_minute)
