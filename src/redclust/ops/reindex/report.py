"""What became of each index, and of what dead runs had left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from redclust.db.holders import Holder
from redclust.report import Report

State = Literal["planned", "done", "skipped", "stopped", "failed", "not started"]


@dataclass(frozen=True, slots=True)
class IndexRebuild:
    """One index; ``checked`` says how it was looked at afterwards, ``check_lacks`` why not more closely.

    ``waited_for`` are those whose transactions had to end first, or did not in time. ``optional`` is one that
    nobody named and this role may not name: it changes no exit code.
    """

    index: str
    table: str
    state: State
    reason: str
    optional: bool
    waited_for: tuple[Holder, ...]
    size_bytes_before: int | None
    size_bytes_after: int | None
    checked: str
    check_lacks: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Leftover:
    """An invalid index that a concurrent rebuild of a run that died has left: ``dropped``, or why not.

    ``in use`` is one that is being built at this moment: it is nobody's leftover.
    """

    index: str
    table: str
    state: Literal["planned", "dropped", "in use", "left"]
    reason: str
    in_the_way: tuple[Holder, ...]
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ReindexReport(Report):
    """Not ok when an index was not built anew, or a leftover stays."""

    verb: ClassVar[str] = "reindex"
    database: str
    dry_run: bool
    concurrently: bool
    leftovers: tuple[Leftover, ...]
    indexes: tuple[IndexRebuild, ...]
    free_disk_bytes: int | None
    duration_s: float

    @property
    def ok(self) -> bool:
        done = all(one.state in ("planned", "done") or one.optional for one in self.indexes)
        return done and all(one.state != "left" for one in self.leftovers)
