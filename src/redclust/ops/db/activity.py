"""``db activity``: what the clients of the database are doing, and who waits for whom."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db.connect import Connection, Connector
from redclust.report import Report
from redclust.sql import query

_PASSWORD = re.compile(r"(password\s+)('(?:[^']|'')*'|\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Session:
    """One client; ``since`` is when its state began, ``waits_since`` when it began to wait for a lock.

    What another role's session does is hidden from a role that may not monitor: times and query are None.
    """

    pid: int
    application: str
    user: str | None
    state: str
    waits_for: str | None
    transaction_at: datetime | None
    since: datetime | None
    waits_since: datetime | None
    query: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that was prepared for a second phase: it holds its locks until somebody ends it."""

    gid: str
    user: str
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """One in the tree of blockers: a session or a prepared transaction, and those that wait for it."""

    pid: int | None
    name: str
    user: str | None
    state: str
    since: datetime | None
    waits_since: datetime | None
    query: str
    blocks: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class ActivityReport(Report):
    """The clients of one database at ``at``, by the server's clock.

    ``active`` have been at one statement for longer than ``longer_than_s``, the longest first. ``blockers``
    are those that others wait for and that wait for nobody; each stands above all whom it keeps waiting.
    """

    verb: ClassVar[str] = "db.activity"
    database: str
    at: datetime
    longer_than_s: float
    states: dict[str, int]
    active: tuple[Session, ...]
    in_transaction: tuple[Session, ...]
    blockers: tuple[Waiting, ...]
    waiting: int
    prepared: tuple[Prepared, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class _Seen:
    session: Session
    blocked_by: tuple[int, ...]
    blocked_by_prepared: tuple[str, ...]


def activity(connector: Connector, *, longer_than_s: float) -> ActivityReport:
    """One look at the server's own views; waits for nothing."""
    with connector.connect(autocommit=True) as connection:
        seen = _sessions(connection)
        prepared = tuple(Prepared(*row) for row in connection.execute(query("incidents", "prepared")))
        (row,) = connection.execute(query("incidents", "clock")).fetchall()
        at: datetime = row[0]
        database = connection.info.dbname
    sessions = [one.session for one in seen]

    def long(one: Session, since: datetime | None) -> bool:
        return since is not None and (at - since).total_seconds() >= longer_than_s

    active = [one for one in sessions if one.state == "active" and long(one, one.since)]
    idle = [one for one in sessions if one.state.startswith("idle in transaction")]
    return ActivityReport(
        database=database,
        at=at,
        longer_than_s=longer_than_s,
        states=dict(sorted(Counter(one.state for one in sessions).items())),
        active=tuple(sorted(active, key=lambda one: one.since or at)),
        in_transaction=tuple(one for one in idle if long(one, one.since)),
        blockers=tree(seen, prepared),
        waiting=sum(bool(one.blocked_by or one.blocked_by_prepared) for one in seen),
        prepared=prepared,
        hidden=sum(one.state == "hidden" for one in sessions),
    )


def without_passwords(text: str) -> str:
    """A statement as it may be shown: what follows the word PASSWORD is not."""
    return _PASSWORD.sub(r"\1****", " ".join(text.split()))


def _sessions(connection: Connection) -> list[_Seen]:
    found: list[_Seen] = []
    for *told, text, by, by_prepared in connection.execute(query("incidents", "sessions")):
        session = Session(*told, query=without_passwords(text or ""))
        found.append(_Seen(session, tuple(sorted(set(by))), tuple(by_prepared)))
    return found


def tree(seen: list[_Seen], prepared: tuple[Prepared, ...]) -> tuple[Waiting, ...]:
    """Those that wait for nobody and are waited for, each with all whom it keeps waiting below.

    A session that waits for several stands below each. Of a circle, which the server will break as a
    deadlock, one member stands on top.
    """
    children: dict[int | str, list[_Seen]] = {}
    for one in seen:
        for blocker in (*one.blocked_by, *one.blocked_by_prepared):
            children.setdefault(blocker, []).append(one)
    by_pid = {one.session.pid: one for one in seen}
    reached: set[int] = set()

    def below(key: int | str, above: frozenset[int | str]) -> tuple[Waiting, ...]:
        waiting = [one for one in children.get(key, []) if one.session.pid not in above]
        reached.update(one.session.pid for one in waiting)
        return tuple(node(one, above | {key}) for one in waiting)

    def node(one: _Seen, above: frozenset[int | str]) -> Waiting:
        s = one.session
        blocks = below(s.pid, above)
        return Waiting(
            s.pid, s.application, s.user, s.state, s.transaction_at, s.waits_since, s.query, blocks
        )

    tops: list[Waiting] = []
    for gid in (one for one in prepared if one.gid in children):
        blocks = below(gid.gid, frozenset())
        tops.append(Waiting(None, gid.gid, gid.user, "prepared", gid.prepared_at, None, "", blocks))
    for pid in [key for key in children if isinstance(key, int)]:
        one = by_pid.get(pid)
        if one is None:
            # In another database, or gone between two looks.
            tops.append(Waiting(pid, "", None, "elsewhere", None, None, "", below(pid, frozenset())))
        elif not one.blocked_by and not one.blocked_by_prepared:
            tops.append(node(one, frozenset()))
    tops += [
        node(one, frozenset())
        for one in seen
        if one.blocked_by and one.session.pid not in reached and one.session.pid in children
    ]
    return tuple(tops)
