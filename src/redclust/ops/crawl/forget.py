"""``crawl forget``: one person, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from psycopg import sql

from redclust.config import Loaded
from redclust.db import locks, tombstones, top_links
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import Locked
from redclust.ops.backup import places, tidying
from redclust.ops.crawl.rejects_files import without
from redclust.report import Progress, Report
from redclust.sql import query

#: Steps of the erasure that are not a tombstone's own; the marks are made while the account has rows.
_MARKS = ("mark_posts", "mark_comments", "purge_quarantine")
#: So long a page of a crawl takes at most.
_PAGES_S = 10.0


@dataclass(frozen=True, slots=True)
class Holding:
    """A backup that was made before, and until when it is kept."""

    name: str
    until: str


@dataclass(frozen=True, slots=True)
class ForgetReport(Report):
    """What was erased, or with ``dry_run`` would be, and which backups still hold the name.

    ``erased`` counts rows by step; a file's lines are those of rejects files on this machine.
    """

    verb: ClassVar[str] = "crawl.forget"
    name: str
    dry_run: bool
    posts: int
    comments: int
    interactions: int
    nodes: int
    erased: dict[str, int]
    rejects_lines: int
    backups: tuple[Holding, ...]


def forget(
    database: Database, name: str, loaded: Loaded, progress: Progress, *, dry_run: bool, lock_wait_s: float
) -> ForgetReport:
    """Erase an account, what it wrote, and every trace of it; a tombstone, which names nobody, stays.

    The tombstone is committed first: from then on nobody writes the name. A second run finishes what one
    that was interrupted began. What others wrote *about* the account stays. Costs a pass over posts and
    comments, and a vacuum of what changed.

    Raises:
        Locked: an import, a backup or a restore runs; it may be writing the name just now.
    """
    with database.connect(bulk=True, autocommit=True) as connection:
        counts = _counts(connection, name, _ids(connection, name))
        if dry_run:
            return ForgetReport(name, True, *counts, {}, 0, _holding(loaded))
        with locks.hold(database.connector, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=progress.say):
            tombstones.add_names(connection, [name], reason="forgotten")
            _wait_for_writers(database, progress, lock_wait_s)
            with progress.task(f"forget u/{name}"):
                erased = _erase(connection, name)
                top_links.restore(connection)
            lines = without(loaded.home / "rejects", name)
            holding = _holding(loaded)
        with progress.task("vacuum", len(tombstones.TABLES), "tables") as task:
            for table in tombstones.TABLES:
                identifier = sql.Identifier(table)
                connection.execute(sql.SQL(query("forget", "free_pages")).format(table=identifier))
                task.advance(1)
    return ForgetReport(name, False, *counts, erased, lines, holding)


def _ids(connection: Connection, name: str) -> list[int]:
    row = connection.execute(query("forget", "known_as"), {"name": name}).fetchone()
    return list(row[0] or []) if row else []


def _counts(connection: Connection, name: str, ids: list[int]) -> tuple[int, int, int, int]:
    row = connection.execute(query("forget", "count_rows"), {"name": name, "ids": ids}).fetchone()
    posts, comments, interactions, nodes = row or (0, 0, 0, 0)
    return posts, comments, interactions, nodes


def _wait_for_writers(database: Database, progress: Progress, lock_wait_s: float) -> None:
    """Until everybody has let go of the lock on references once: who looks the name up now finds it gone."""
    wait_s = max(lock_wait_s, _PAGES_S)
    try:
        with locks.hold(database.connector, LockName.REFERENCES, wait_s=wait_s, on_wait=progress.say):
            return
    except Locked as error:
        hint = "nothing more is written about this account; run it again to erase what is there already"
        raise Locked(str(error), hint=hint) from None


def _erase(connection: Connection, name: str) -> dict[str, int]:
    """Rows changed by step, those that changed any."""
    # A worker may have added the account just before its tombstone.
    ids = _ids(connection, name)
    values: dict[str, Any] = {"name": name, "ids": ids}
    with connection.transaction():
        done = {step: connection.execute(query("forget", step), values).rowcount for step in _MARKS}
    done |= tombstones.apply(connection)
    return {step: rows for step, rows in done.items() if rows}


def _holding(loaded: Loaded) -> tuple[Holding, ...]:
    """Every backup of this database: each may hold the name."""
    keep = tidying.policy(loaded.settings.backup).last
    found: list[Holding] = []
    verified = 0
    for entry in places.read(loaded).own():
        verified += entry.verified
        if entry.pinned:
            until = "it is unpinned, and tidied"
        elif not entry.verified:
            until = "it is removed by hand: it was never verified, so tidy leaves it"
        else:
            until = f"{max(1, keep - verified + 1)} newer ones have been verified, and tidied"
        found.append(Holding(entry.name, until))
    return tuple(found)
