"""``restore --undo`` and ``--drop-kept``: what was live before a restore, back again or gone for good."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime

from redclust.db import databases, locks
from redclust.db.connect import Connector
from redclust.db.databases import Kept, Session
from redclust.db.locks import LockName
from redclust.errors import Refused
from redclust.ops.restore import finish, quiet
from redclust.ops.restore.exchange import Exchange, exchange
from redclust.ops.restore.reports import DropReport, KeptDatabase, UndoReport
from redclust.report import Progress


def undo(live: Connector, progress: Progress, *, terminate: bool, lock_wait_s: float) -> UndoReport:
    """Exchange the live database for the one that the newest restore has kept.

    What is live now is kept in its turn, so that another undo takes this one back. What was deleted since is
    erased in the database that comes back, which is migrated where redclust has become newer.

    Raises:
        Refused: nothing is kept, or somebody else is connected and ``terminate`` is not given.
        Locked: a backup, maintenance or another restore is at work.
    """
    server, name = databases.maintenance(live), databases.name_of(live)

    def may_end(one: Session) -> bool:
        return terminate or quiet.is_loop(one) or quiet.is_waited_for(one)

    with ExitStack() as stack:
        say = progress.say
        stack.enter_context(locks.hold_name(server, name, wait_s=lock_wait_s, on_wait=say))
        databases.sweep(server, name)
        with server.connect(autocommit=True) as connection:
            found = databases.kept(connection, name)
            exists = databases.oid(connection, name) is not None
        if not found:
            raise Refused(f"no restore has kept what {name} was before", hint="redclust backup ls")
        newest = found[0]
        held = None
        if exists:
            lock = locks.hold(live, LockName.OPERATIONS, wait_s=lock_wait_s, on_wait=say)
            held = stack.enter_context(lock)
            stack.enter_context(quiet.paused(live, f"a restore of {name} is being undone", progress))
        back = Connector(server.target.on(newest.name), server.settings, server.verb)
        with progress.task("migrating and analyzing"):
            refreshed = finish.refresh(back, live if exists else None)
        if held is not None:
            locks.assure(held, LockName.OPERATIONS)
        with server.connect(autocommit=True) as connection:
            kept_as = databases.kept_name(connection, name, datetime.now(UTC))
        names = Exchange(name, newest.name, kept_as)
        ended = exchange(server, names, may_end=may_end, own=held)
    return UndoReport(
        name,
        newest.at,
        names.kept,
        refreshed.migrated,
        refreshed.erased,
        tuple(map(str, ended)),
        refreshed.left_undone,
    )


def kept(live: Connector) -> DropReport:
    """The databases that earlier restores have kept, newest first; drops none."""
    with databases.maintenance(live).connect(autocommit=True) as connection:
        found = databases.kept(connection, databases.name_of(live))
    return _report(live, found, dropped=False)


def drop_kept(live: Connector, *, terminate: bool) -> DropReport:
    """Drop every database that earlier restores have kept.

    Raises:
        Refused: somebody is connected to one (named), and ``terminate`` is not given; none was dropped.
        Locked: a restore is at work.
    """
    server, name = databases.maintenance(live), databases.name_of(live)
    with locks.hold_name(server, name), server.connect(bulk=True, autocommit=True) as connection:
        found = databases.kept(connection, name)
        for one in found:
            users = databases.sessions(connection, one.name)
            if users and not terminate:
                raise Refused(
                    f"{one.name} is in use by {', '.join(map(str, users))}; none was dropped",
                    hint="end those sessions, or add --terminate",
                )
        for one in found:
            databases.drop(connection, one.name)
    return _report(live, found, dropped=True)


def _report(live: Connector, found: list[Kept], *, dropped: bool) -> DropReport:
    listed = tuple(KeptDatabase(one.name, one.at, one.size_bytes) for one in found)
    return DropReport(databases.name_of(live), listed, dropped)
