"""What a vacuum found and did, table by table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from redclust import duration
from redclust.db.holders import Holder
from redclust.db.tables import Table
from redclust.report import Report

State = Literal["planned", "done", "skipped", "stopped", "not started"]
NOT_PERMITTED = "this role neither owns the table or the database nor may maintain it"


@dataclass(frozen=True, slots=True)
class FullPlan:
    """What writing a table anew takes, guessed from the planner's statistics.

    ``needed_bytes`` of disk for the copy and for what is logged of it; ``expected_s`` in which everybody else
    waits, ``measured`` by an earlier run or else assumed. ``connected`` hold a lock on it at this moment.
    """

    needed_bytes: int | None
    expected_s: float | None
    measured: bool
    connected: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class TableVacuum:
    """One table before and after; sizes with its TOAST table and indexes, None where they were locked away.

    ``dead_rows_after`` are those that could not be removed: somebody may still read them. ``catalog`` is a
    table of the system; ``optional`` one of these that nobody named and this role may not vacuum, which
    changes no exit code.
    """

    table: str
    catalog: bool
    optional: bool
    state: State
    reason: str
    in_the_way: tuple[Holder, ...]
    vacuumed_at: datetime | None
    dead_rows_before: int
    dead_rows_after: int | None
    size_bytes_before: int | None
    size_bytes_after: int | None
    duration_s: float
    full: FullPlan | None = None


@dataclass(frozen=True, slots=True)
class VacuumReport(Report):
    """Each table, those of the system last; not ok when one was not done.

    ``held_back_by`` are those that kept dead rows from being removed, the oldest first. The rest is of
    ``--full``: ``connected`` are the other clients of the database, ``free_disk_bytes`` is None where it
    cannot be seen from here.
    """

    verb: ClassVar[str] = "vacuum"
    database: str
    dry_run: bool
    tables: tuple[TableVacuum, ...]
    held_back_by: tuple[Holder, ...]
    duration_s: float
    full: bool = False
    free_disk_bytes: int | None = None
    connected: tuple[Holder, ...] = ()

    def consequences(self) -> str:
        """What whoever confirms `--full` agrees to, in one sentence."""
        plans = [one.full for one in self.tables if one.full]
        took_s = sum(plan.expected_s or 0 for plan in plans)
        guess = "" if all(plan.measured for plan in plans) else " (a guess: no earlier run has measured it)"
        needed = max((plan.needed_bytes or 0 for plan in plans), default=0)
        free = "" if self.free_disk_bytes is None else f" ({_mib(self.free_disk_bytes)} are free)"
        others = "; ".join(holder.words() for holder in self.connected)
        return (
            f"A full vacuum keeps everybody out of {len(plans)} tables, one at a time, for about "
            f"{duration.words(took_s)} in all{guess}, and needs up to {_mib(needed)} of disk{free}"
            + (f"; {len(self.connected)} others are connected: {others}" if others else "")
        )

    @property
    def ok(self) -> bool:
        return all(one.state in ("planned", "done") or one.optional for one in self.tables)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.0f} MiB"


def outcome(
    one: Table,
    state: State,
    reason: str = "",
    in_the_way: tuple[Holder, ...] = (),
    *,
    optional: bool = False,
    after: Table | None = None,
    began_s: float | None = None,
) -> TableVacuum:
    """What became of a table; ``after`` are its figures when the work was done."""
    return TableVacuum(
        table=one.label,
        catalog=one.catalog,
        optional=optional,
        state=state,
        reason=reason,
        in_the_way=in_the_way,
        vacuumed_at=one.vacuumed_at,
        dead_rows_before=one.dead_rows,
        dead_rows_after=after.dead_rows if after else None,
        size_bytes_before=one.size_bytes,
        size_bytes_after=after.size_bytes if after else None,
        duration_s=time.monotonic() - began_s if began_s is not None else 0.0,
    )


def planned(one: Table, names: Sequence[str]) -> TableVacuum:
    """What would be done with a table; without the right to it nothing."""
    if one.may_maintain:
        return outcome(one, "planned")
    return outcome(one, "skipped", NOT_PERMITTED, optional=one.catalog and not names)
