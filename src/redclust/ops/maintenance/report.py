"""What a round of maintenance did, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from redclust.ops.backup import TidyReport
from redclust.ops.integrity import BloatReport, DropReport
from redclust.ops.jobs import ClearReport
from redclust.ops.reindex import Leftover, ReindexReport
from redclust.ops.vacuum import VacuumReport
from redclust.report import Report

State = Literal["planned", "done", "partial", "held", "failed", "not started"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part; ``told`` says in a line what it came to.

    ``partial`` left something undone that its own report names, ``held`` is a brake that waits for a person.
    """

    name: str
    state: State
    told: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    database_bytes: int
    dead_rows: int


@dataclass(frozen=True, slots=True)
class MaintenanceReport(Report):
    """The parts in their order, each with the report of its own verb where it came to its end.

    Not ok when a part was not done, or found something that only a person may mend: a table that only a full
    vacuum makes smaller.
    """

    verb: ClassVar[str] = "maintenance"
    database: str
    dry_run: bool
    parts: tuple[Part, ...]
    before: Figures
    after: Figures | None
    leftovers: tuple[Leftover, ...]
    jobs: ClearReport | None
    quarantine: DropReport | None
    vacuum: VacuumReport | None
    bloat: BloatReport | None
    reindex: ReindexReport | None
    backups: TidyReport | None
    duration_s: float

    @property
    def ok(self) -> bool:
        return all(part.state in ("planned", "done") for part in self.parts)
