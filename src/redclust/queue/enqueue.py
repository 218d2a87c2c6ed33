"""Putting subreddits into the queue: one row a subreddit, never a second one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from redclust.db.connect import Connection
from redclust.sql import query

#: What a job gets that nobody gave a priority; higher is earlier, 100 and more is urgent.
DEFAULT_PRIORITY = 1


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job after :func:`enqueue`.

    ``before`` is the status it had: None for a new one; ``crawling`` means that it was left alone, as it is
    being crawled already.
    """

    name: str
    id: int
    before: str | None


def enqueue(
    connection: Connection,
    names: Sequence[str],
    *,
    priority: int = DEFAULT_PRIORITY,
    options: Mapping[str, Any] | None = None,
) -> list[Enqueued]:
    """What a person asks for: every named subreddit waits to be crawled, with these options, from now on.

    Names are taken as they are, once by lower case. Waits for a page of the same subreddit that is just being
    committed; so never call it inside a page's transaction, where two workers could wait for each other.
    """
    values = {"names": _once(names), "priority": priority, "options": Jsonb(dict(options or {}))}
    return [Enqueued(*row) for row in connection.execute(query("queue", "enqueue"), values)]


def enqueue_new(
    connection: Connection,
    names: Sequence[str],
    *,
    priority: int = DEFAULT_PRIORITY,
    options: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """What a crawl discovers: jobs (name to id) for the subreddits that never had one.

    Meant for the end of a page's transaction, once: it locks no row that is there already.
    """
    values = {"names": _once(names), "priority": priority, "options": Jsonb(dict(options or {}))}
    return {str(name): int(i) for name, i in connection.execute(query("queue", "enqueue_new"), values)}


def enqueue_stale(
    connection: Connection, *, stale_after_s: float, priority: int = DEFAULT_PRIORITY, limit: int = 1000
) -> int:
    """Let completed jobs wait again whose crawl is older than that; gives their number.

    Cost grows with the number of completed jobs: ask when there is nothing else to do.
    """
    values = {"stale_after_s": stale_after_s, "priority": priority, "limit": limit}
    return connection.execute(query("queue", "enqueue_stale"), values).rowcount


def _once(names: Sequence[str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return list(first.values())
