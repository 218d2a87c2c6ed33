"""``precalc status``: the graph that is shown, and the runs before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redclust.db import locks
from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.db.session import Database
from redclust.ops.precalc import history
from redclust.ops.precalc.figures import LeftOut
from redclust.ops.precalc.history import Run
from redclust.report import Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class NamedBot:
    """As :class:`LeftOut`, with the account's name."""

    name: str
    why: str
    subreddits: int
    activity: int


@dataclass(frozen=True, slots=True)
class PrecalcStatusReport(Report):
    """``shown`` is the run whose graph everybody sees; ``runs`` the newest ones, newest first.

    ``running_by`` names the session of a run that is at work now. A run that says it is running while nobody
    is at work was killed. ``bots`` are the most active accounts that the shown graph leaves out. Not ok when
    no graph has been made, or when the newest run that ended failed.
    """

    verb: ClassVar[str] = "precalc.status"
    shown: Run | None
    running_by: str | None
    runs: tuple[Run, ...]
    bots: tuple[NamedBot, ...] = ()

    @property
    def ok(self) -> bool:
        ended = [run for run in self.runs if run.status != "running" or self.running_by is None]
        return self.shown is not None and bool(ended) and ended[0].status == "completed"


def status(database: Database, *, limit: int) -> PrecalcStatusReport:
    """Read what was written down; computes nothing."""
    with database.connect(autocommit=True) as connection:
        keys = {"class": LOCK_CLASS, "name": int(LockName.PRECALC)}
        held = connection.execute(query("db", "lock_holder"), keys).fetchone() is not None
        shown = history.shown(connection)
        return PrecalcStatusReport(
            shown=shown,
            running_by=locks.holder(connection, LockName.PRECALC) if held else None,
            runs=tuple(history.newest(connection, limit)),
            bots=_named(connection, shown.figures.bots.left_out) if shown else (),
        )


def _named(connection: Connection, left_out: Sequence[LeftOut]) -> tuple[NamedBot, ...]:
    """Those that still have a name here."""
    ids = {"ids": [one.user_id for one in left_out]}
    names: dict[int, str] = dict(connection.execute(query("precalc", "names_of_bots"), ids).fetchall())
    return tuple(
        NamedBot(names[one.user_id], one.why, one.subreddits, one.activity)
        for one in left_out
        if one.user_id in names
    )
