"""What a concurrent rebuild leaves when it is cancelled: an index that costs writes and that nobody reads."""

from __future__ import annotations

import psycopg
from psycopg import sql

from redclust.db import holders
from redclust.db.connect import Connection
from redclust.db.patience import GaveUp, Patience
from redclust.db.session import Database
from redclust.ops.reindex import indexes
from redclust.ops.reindex.indexes import Index
from redclust.ops.reindex.report import Leftover
from redclust.report import Progress
from redclust.sql import query


def find(watcher: Connection) -> list[tuple[Index, Leftover]]:
    """The leftovers that are there, and the indexes like them that are being built now."""
    return [(one, _look(watcher, one)) for one in indexes.read(watcher) if one.transient]


def clear_away(database: Database, progress: Progress, *, wait_s: float, dry_run: bool) -> list[Leftover]:
    """What :func:`find` finds, dropped unless ``dry_run``; the caller holds the lock of the operations."""
    with (
        database.connect(bulk=True, autocommit=True, role="work") as session,
        database.connect(autocommit=True) as watcher,
    ):
        if dry_run:
            return [found for _, found in find(watcher)]
        return sweep(Patience(session, watcher, wait_s, progress.say, lambda: None))


def sweep(patience: Patience) -> list[Leftover]:
    """Drop the leftovers of dead runs, beside readers and writers."""
    return [
        _drop(patience, one) if found.state == "planned" else found for one, found in find(patience.watcher)
    ]


def _look(watcher: Connection, one: Index) -> Leftover:
    # Whoever builds it holds it, from the first to the last of its transactions.
    builders = holders.of_relation(watcher, one.oid)
    if builders:
        return Leftover(one.label, one.table, "in use", "it is being built now", builders, one.size_bytes)
    if not one.may:
        reason = "this role neither owns its table nor may maintain it"
        return Leftover(one.label, one.table, "left", reason, (), one.size_bytes)
    return Leftover(one.label, one.table, "planned", "", (), one.size_bytes)


def _drop(patience: Patience, one: Index) -> Leftover:
    statement = sql.SQL(query("reindex", "drop_leftover")).format(index=one.identifier)
    state, reason, in_the_way = "dropped", "", ()
    try:
        patience.run(statement)
    except GaveUp as error:
        state, reason, in_the_way = "left", str(error), error.in_the_way
    except psycopg.Error as error:
        state, reason = "left", " ".join(str(error).split())
    return Leftover(one.label, one.table, state, reason, in_the_way, one.size_bytes)
