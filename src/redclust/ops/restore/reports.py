"""What a restore would do, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.ops.restore.live import Since
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a restore from coming to its end, and the exit code that it would end with."""

    told: str
    hint: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Connected:
    """A session of the live database, and what becomes of it: ``ended``, ``waited for``, ``in the way``."""

    who: str
    fate: str


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that a place must have; ``free_bytes`` is None where it cannot be seen from here."""

    what: str
    needed_bytes: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class RestorePlan(Report):
    """What would be done; nothing has been changed. Not ok where something is in its way."""

    verb: ClassVar[str] = "restore.plan"
    source: str
    backup_at: datetime | None
    backup_state: str | None
    backup_rows: int | None
    backup_server: str | None
    backup_schema_version: int | None
    server_version: str
    schema_version: int
    #: ``swap`` with the live database, or ``new`` beside it.
    mode: str
    live: str
    target: str
    #: The live database, or an embedded server's data directory, would be kept under this name.
    kept_as: str | None
    jobs: int
    expected_s: float | None
    space: tuple[Space, ...]
    missing_roles: tuple[str, ...]
    missing_extensions: tuple[str, ...]
    connected: tuple[Connected, ...]
    since: tuple[Since, ...]
    safety_backup: str
    kept_databases: int
    kept_bytes: int
    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.obstacles


@dataclass(frozen=True, slots=True)
class RestoreReport(Report):
    """What was restored and where it is now. ``compared`` tells that every table's rows were the manifest's.

    ``kept`` is what was live before, under its new name. ``erased`` are rows changed since they hold what was
    deleted meanwhile, by step. ``left_undone`` could not be done, for want of rights or of a table: then it
    is not ok.
    """

    verb: ClassVar[str] = "restore"
    source: str
    backup_at: datetime | None
    database: str
    swapped: bool
    kept: str | None
    tables: int
    rows: int
    compared: bool
    migrated: int
    erased: Mapping[str, int]
    safety_backup: str | None
    ended_sessions: tuple[str, ...]
    seconds: Mapping[str, float]
    left_undone: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.left_undone


@dataclass(frozen=True, slots=True)
class UndoReport(Report):
    """``database`` is again what it was until ``kept_at``; what was live meanwhile is kept as ``kept``.

    ``left_undone``: see :class:`RestoreReport`.
    """

    verb: ClassVar[str] = "restore.undo"
    database: str
    kept_at: datetime
    kept: str
    migrated: int
    erased: Mapping[str, int]
    ended_sessions: tuple[str, ...]
    left_undone: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.left_undone


@dataclass(frozen=True, slots=True)
class KeptDatabase:
    """A database that was live until ``until``."""

    name: str
    until: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DropReport(Report):
    """The databases that earlier restores have kept; ``dropped`` or, with ``--dry-run``, only listed."""

    verb: ClassVar[str] = "restore.drop"
    database: str
    kept: tuple[KeptDatabase, ...]
    dropped: bool
