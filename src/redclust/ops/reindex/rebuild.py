"""``reindex``: one index after the other, beside readers and writers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from redclust.db import disk, extensions, locks
from redclust.db.connect import Connection
from redclust.db.extensions import Unavailable
from redclust.db.holders import Holder
from redclust.db.locks import LockName
from redclust.db.patience import GaveUp, Patience
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.reindex import indexes, leftovers
from redclust.ops.reindex.indexes import Index
from redclust.ops.reindex.report import IndexRebuild, Leftover, ReindexReport, State
from redclust.ops.window import UP, Window, WindowClosed
from redclust.report import Progress, Task
from redclust.sql import query

_NOT_NAMEABLE = (
    "this role may not name what is in pg_toast: REINDEX TABLE CONCURRENTLY {table} builds it anew"
)
_CHECK_LOCK_WAIT_MS = 5_000
#: What the server may answer to one index, while the others can still be built.
_OF_ONE_INDEX = (pg.IntegrityError, pg.DiskFull, pg.DataCorrupted, pg.IndexCorrupted, pg.LockNotAvailable)


@dataclass(frozen=True, slots=True)
class Request:
    """What to build anew and how: ``names`` of tables and indexes, none for all.

    ``wait_s`` is how long one index may wait for other transactions; ``deep`` looks afterwards for each row's
    entry, which reads the whole table.
    """

    names: Sequence[str] = ()
    everything: bool = False
    concurrently: bool = True
    deep: bool = False
    dry_run: bool = False
    wait_s: float = 600
    max_duration_s: float | None = None
    lock_wait_s: float = 0


def reindex(database: Database, request: Request, progress: Progress) -> ReindexReport:
    """Build the named indexes anew, or all of them, after dropping what dead runs have left.

    Raises:
        UsageError: nothing was named and not all were meant, or a name is that of no table or index.
        DatabaseUnreachable: this role may build none of them anew.
        Locked: other maintenance, a backup or a restore works on the database for longer than
            ``lock_wait_s``.
    """
    if not request.names and not request.everything:
        raise UsageError("what to reindex: name tables or indexes, or add --all")
    window = Window(request.max_duration_s)
    if request.dry_run:
        return _plan(database, request, window)
    with locks.hold(
        database.connector, LockName.OPERATIONS, wait_s=request.lock_wait_s, on_wait=progress.say
    ):
        return work(database, request, progress, window)


def work(database: Database, request: Request, progress: Progress, window: Window) -> ReindexReport:
    """The same for a caller who holds the lock of the operations."""
    with (
        database.connect(bulk=True, autocommit=True, role="work") as session,
        database.connect(autocommit=True) as watcher,
    ):
        _choose(watcher, request)
        run = _Run(session, watcher, request, window, progress, database)
        swept = run.sweep()
        chosen = _choose(watcher, request)
        with progress.task("reindex", total=sum(one.size_bytes or 0 for one in chosen), unit="bytes") as task:
            built = [run.index(one, task) for one in chosen]
        return ReindexReport(
            watcher.info.dbname,
            False,
            request.concurrently,
            (*swept, *run.swept_after),
            tuple(built),
            disk.free_bytes(watcher, database.target),
            window.passed_s,
        )


def _plan(database: Database, request: Request, window: Window) -> ReindexReport:
    with database.connect(autocommit=True) as watcher:
        chosen = _choose(watcher, request)
        return ReindexReport(
            watcher.info.dbname,
            True,
            request.concurrently,
            tuple(found for _, found in leftovers.find(watcher)),
            tuple(_refusal(one, request) or _outcome(one, "planned") for one in chosen),
            disk.free_bytes(watcher, database.target),
            window.passed_s,
        )


def _choose(watcher: Connection, request: Request) -> list[Index]:
    there = [one for one in indexes.read(watcher) if not one.transient]
    chosen = indexes.named(there, request.names) if request.names else there
    indexes.refuse_without_rights(chosen)
    return chosen


def _refusal(one: Index, request: Request) -> IndexRebuild | None:
    if not one.may:
        return _outcome(one, "skipped", indexes.NOT_PERMITTED)
    if not one.nameable:
        return _outcome(
            one, "skipped", _NOT_NAMEABLE.format(table=one.table), optional=one.label not in request.names
        )
    if one.exclusion and request.concurrently:
        reason = "an exclusion constraint's index is built anew with --no-concurrently only"
        return _outcome(one, "skipped", reason)
    return None


@dataclass(slots=True)
class _Run:
    """One session that builds, and one that watches it."""

    session: Connection
    watcher: Connection
    request: Request
    window: Window
    progress: Progress
    database: Database
    swept_after: tuple[Leftover, ...] = ()

    def sweep(self) -> list[Leftover]:
        return leftovers.sweep(self._patience(lambda: None))

    def index(self, one: Index, task: Task) -> IndexRebuild:
        refused = _refusal(one, self.request)
        if refused is not None:
            return refused
        if self.window.closed:
            return _outcome(one, "not started", UP)
        free_bytes = disk.free_bytes(self.watcher, self.database.target)
        if free_bytes is not None and (one.size_bytes or 0) > free_bytes:
            return _outcome(one, "skipped", f"it needs {one.size_bytes} bytes of disk, {free_bytes} are free")
        began_s = time.monotonic()
        patience = self._patience(self._looker(one, task))
        state, reason = self._build(one, patience)
        if state != "done" and self.request.concurrently:
            # What this run has begun it takes away again, if it may do so soon.
            self.swept_after += tuple(leftovers.sweep(self._patience(lambda: None, wait_s=5)))
        met = tuple(patience.met.values())
        return self._checked(one, state, reason, met, began_s)

    def _patience(self, look: Callable[[], None], wait_s: float | None = None) -> Patience:
        wait_s = self.request.wait_s if wait_s is None else wait_s
        return Patience(self.session, self.watcher, wait_s, self.progress.say, look)

    def _looker(self, one: Index, task: Task) -> Callable[[], None]:
        size_bytes, seen_bytes = one.size_bytes or 0, 0.0

        def look() -> None:
            nonlocal seen_bytes
            self.window.check()
            values = {"pid": self.session.info.backend_pid}
            row = self.watcher.execute(query("reindex", "progress"), values).fetchone()
            if row is not None:
                task.note(f"{one.label}: {row[0]}")
                now_bytes = size_bytes * min(1.0, row[1] or 0.0)
                task.advance(max(0.0, now_bytes - seen_bytes))
                seen_bytes = max(seen_bytes, now_bytes)

        return look

    def _build(self, one: Index, patience: Patience) -> tuple[State, str]:
        try:
            if self.request.concurrently:
                patience.run(sql.SQL(query("reindex", "reindex_concurrently")).format(index=one.identifier))
            else:
                statement = sql.SQL(query("reindex", "reindex")).format(index=one.identifier)
                patience.run_exclusively(statement, one.relation_oid)
        except WindowClosed:
            return "stopped", UP
        except GaveUp as error:
            return "stopped", f"{error} for others"
        except pg.QueryCanceled as error:
            return "stopped", _line(error)
        except pg.UndefinedObject:
            return "skipped", "it is gone"
        except (
            pg.IntegrityError,
            pg.DiskFull,
            pg.DataCorrupted,
            pg.IndexCorrupted,
            pg.LockNotAvailable,
        ) as e:
            return "failed", _line(e)
        return "done", ""

    def _checked(
        self, one: Index, state: State, reason: str, met: tuple[Holder, ...], began_s: float
    ) -> IndexRebuild:
        if state != "done":
            return _outcome(one, state, reason, met=met, began_s=began_s)
        names = {"schema": one.schema, "name": one.name}
        row = self.watcher.execute(query("reindex", "index_state"), names).fetchone()
        if row is None or not row[1]:
            return _outcome(one, "failed", "it is not valid afterwards", met=met, began_s=began_s)
        oid, _, size_bytes, is_btree = row
        checked, lacks = "it is valid", ""
        if is_btree:
            try:
                checked = self._amcheck(oid)
            except (Unavailable, pg.LockNotAvailable) as error:
                lacks = _line(error)
            except pg.Error as error:
                return _outcome(one, "failed", _line(error), met=met, began_s=began_s)
        return _outcome(
            one, "done", met=met, after_bytes=size_bytes, checked=checked, lacks=lacks, began_s=began_s
        )

    def _amcheck(self, oid: int) -> str:
        with extensions.borrow(self.session, "amcheck") as schema:
            # Gone with the transaction.
            self.session.execute(query("reindex", "limit_lock_waits"), {"limit_ms": _CHECK_LOCK_WAIT_MS})
            statement = sql.SQL(query("reindex", "check_index")).format(schema=schema)
            self.session.execute(statement, {"index": oid, "heapallindexed": self.request.deep})
        return "amcheck, each row's entry" if self.request.deep else "amcheck"


def _outcome(
    one: Index,
    state: State,
    reason: str = "",
    *,
    optional: bool = False,
    met: tuple[Holder, ...] = (),
    after_bytes: int | None = None,
    checked: str = "",
    lacks: str = "",
    began_s: float | None = None,
) -> IndexRebuild:
    return IndexRebuild(
        index=one.label,
        table=one.table,
        state=state,
        reason=reason,
        optional=optional,
        waited_for=met,
        size_bytes_before=one.size_bytes,
        size_bytes_after=after_bytes,
        checked=checked,
        check_lacks=lacks,
        duration_s=time.monotonic() - began_s if began_s is not None else 0.0,
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
