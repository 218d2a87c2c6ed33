"""What people deleted: written down once, and erased again whenever it comes back from anywhere."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from psycopg.errors import UndefinedTable

from redclust.db.connect import Connection
from redclust.sql import query

Thing = Literal["post", "comment"]
#: ``deleted`` on Reddit; ``account``: gone there, what it wrote stands without its name; ``forgotten``:
#: erased here, name and texts.
Reason = Literal["deleted", "account", "forgotten"]

#: Tombstones worked off in one transaction: what bounds how long rows stay locked.
_STEP = 10_000
#: Texts that may name an account, also one that has no row here.
_TEXTS = ("scrub_runs", "erase_rejects", "scrub_errors")
#: What was computed of accounts and profiles, which may have no row any more.
_COMPUTED_STEPS = (
    "erase_activity",
    "erase_relationships",
    "erase_links",
    "erase_nodes",
    "erase_links_of_versions",
    "erase_nodes_of_versions",
    "relabel_communities",
    "relabel_communities_of_versions",
)
#: In this order: what refers to something goes before it.
_ACCOUNT_STEPS = (
    "erase_comments_of_profiles",
    "erase_posts_of_profiles",
    "unlink_comments",
    "unlink_posts",
    "erase_interactions",
    *_COMPUTED_STEPS,
    "erase_jobs",
    "erase_quarantine",
    "erase_profiles",
    "erase_accounts",
    *_TEXTS,
)
#: A graph from elsewhere may name accounts that have no row here.
_GRAPH_STEPS = (
    "erase_links",
    "erase_nodes",
    "erase_links_of_versions",
    "erase_nodes_of_versions",
    *_TEXTS,
)
#: Every table that a step may change.
TABLES = (
    "users",
    "subreddits",
    "posts",
    "comments",
    "imported_interactions",
    "user_subreddit_activity",
    "subreddit_relationships",
    "graph_links",
    "graph_nodes",
    "graph_top_links",
    "graph_communities",
    "graph_links_before",
    "graph_nodes_before",
    "graph_communities_before",
    "crawl_jobs",
    "crawl_runs",
    "crawl_rejects",
    "quarantine",
    "precalc_runs",
)


def add_things(connection: Connection, kind: Thing, ids: Sequence[int], *, reason: Reason) -> int:
    """Write down that posts or comments are gone; those not known to be. Their rows are not touched."""
    values = {"kind": kind, "ids": list(ids), "reason": reason}
    return connection.execute(query("tombstones", "add_things"), values).rowcount if ids else 0


def add_names(connection: Connection, names: Sequence[str], *, reason: Reason) -> int:
    """Write down that accounts are gone; only a hash of each name is kept. Their rows are not touched."""
    values = {"names": list(names), "reason": reason}
    return connection.execute(query("tombstones", "add_names"), values).rowcount if names else 0


def bury(connection: Connection, kind: Thing, ids: Sequence[int]) -> int:
    """Write down that posts or comments were deleted, and blank their rows; how many rows that changed."""
    if not ids:
        return 0
    add_things(connection, kind, ids, reason="deleted")
    return connection.execute(query("tombstones", f"blank_these_{kind}s"), {"ids": list(ids)}).rowcount


def gone_things(connection: Connection, kind: Thing, ids: Sequence[int]) -> list[int]:
    """Which of these posts or comments are gone."""
    # One text is sent many times faster than an array of numbers.
    array = "{" + ",".join(map(str, ids)) + "}"
    row = connection.execute(query("tombstones", "gone_things"), {"kind": kind, "ids": array}).fetchone()
    return (row[0] if row else None) or []


def gone_names(connection: Connection, names: Sequence[str]) -> dict[str, bool]:
    """Which of these accounts are gone, and whether what they wrote is to be forgotten too."""
    if not names:
        return {}
    rows = connection.execute(query("tombstones", "gone_names"), {"names": "\n".join(names)})
    return {str(name): bool(forgotten) for name, forgotten in rows}


def carry_over(source: Connection, target: Connection) -> int:
    """Write down in another database what is gone in this one; how many were not known there.

    Their rows there are not touched before :func:`apply`.
    """
    with target.transaction():
        target.execute(query("tombstones", "stage_carried"))
        with (
            source.cursor().copy(query("tombstones", "copy_out")) as reading,
            target.cursor().copy(query("tombstones", "copy_in")) as writing,
        ):
            for block in reading:
                writing.write(block)
        things = target.execute(query("tombstones", "add_carried_things")).rowcount
        return things + target.execute(query("tombstones", "add_carried_names")).rowcount


def apply(connection: Connection) -> dict[str, int]:
    """Erase again what is gone, wherever it stands: after a rollback, an import; idempotent.

    Returns the rows changed by the name of the step, those that changed any. Linear in the tombstones of
    things; where an account that is gone has rows here, one pass over posts and comments. Each step is a
    transaction of its own unless the caller has opened one.

    Whoever wrote before the tombstones were committed must have ended: it may have looked an account up.
    """
    return _Erasing(connection, whole=True).run()


def erase_computed(connection: Connection, *, since: datetime) -> bool:
    """Erase accounts and profiles from a graph that was computed of a snapshot of ``since``; whether any was
    in it.

    For the transaction that shows it. Costs nothing unless an account is gone since then or since a day
    before; else a pass over accounts and nodes.
    """
    row = connection.execute(query("tombstones", "accounts_since"), {"since": since}).fetchone()
    return bool(row and row[0]) and _Erasing(connection, whole=True).computed()


def apply_where_there(connection: Connection) -> tuple[dict[str, int], list[str]]:
    """As :func:`apply`, in a database somebody may have dropped tables of; those that are missing.

    What needs a missing table is left out: without ``users`` or ``tombstones`` nothing tells whose a row is.
    """
    rows = connection.execute(query("tombstones", "missing_tables"), {"tables": ["tombstones", *TABLES]})
    missing = [str(name) for (name,) in rows]
    if "tombstones" in missing:
        return {}, missing
    return _Erasing(connection, whole=not missing).run(), missing


@dataclass(frozen=True, slots=True)
class _Erasing:
    """One pass of all steps; unless ``whole`` those that meet a missing table are left out."""

    connection: Connection
    whole: bool
    done: dict[str, int] = field(default_factory=dict[str, int])

    def run(self) -> dict[str, int]:
        for kind in ("post", "comment"):
            after: int | None = -1
            while after is not None:
                after = self._blank_some(kind, after)
        row = self.connection.execute(query("tombstones", "has_accounts")).fetchone()
        if row is not None and row[0]:
            self._erase_accounts()
        with self.connection.transaction():
            self._step("erase_stored_links")
        return {step: rows for step, rows in self.done.items() if rows}

    def _blank_some(self, kind: Thing, after: int) -> int | None:
        values: dict[str, object] = {"kind": kind, "after": after, "limit": _STEP}
        with self.connection.transaction():
            row = self.connection.execute(query("tombstones", "next_things"), values).fetchone()
            last: int | None = row[0] if row else None
            if last is not None:
                for step in (f"blank_{kind}s", "erase_authorship", "erase_authorship_of_versions"):
                    self._step(step, {**values, "last": last})
        return last

    def _erase_accounts(self) -> None:
        with self.connection.transaction(), self._staged() as found:
            for step in _ACCOUNT_STEPS if found["accounts"] or found["profiles"] else _GRAPH_STEPS:
                self._step(step)

    def computed(self) -> bool:
        with self._staged() as found:
            if found["nodes"]:
                for step in ("add_accounts_of_nodes", "add_profiles_of_nodes"):
                    self._execute(step)
                for step in _COMPUTED_STEPS:
                    self._step(step)
        return bool(found["nodes"])

    @contextmanager
    def _staged(self) -> Generator[dict[str, int]]:
        """Who is to be erased, in temporary tables, and how many of each; in the caller's transaction."""
        staged = ("accounts", "profiles", "nodes")
        yield {what: self._execute(f"stage_{what}") for what in staged}
        for what in staged:
            self._execute(f"drop_{what}")

    def _step(self, step: str, values: Mapping[str, object] | None = None) -> None:
        self.done[step] = self.done.get(step, 0) + self._execute(step, values)

    def _execute(self, step: str, values: Mapping[str, object] | None = None) -> int:
        """Rows changed; a step left out makes those that build on it be left out too."""
        try:
            with nullcontext() if self.whole else self.connection.transaction():
                return self.connection.execute(query("tombstones", step), values).rowcount
        except UndefinedTable:
            if self.whole:
                raise
            return 0
