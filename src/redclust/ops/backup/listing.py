"""``backup ls`` and ``backup status``: what there is, from the place of the backups alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from redclust import duration
from redclust.config import Loaded
from redclust.errors import ArtefactUnusable
from redclust.ops.backup import failures, places
from redclust.ops.backup.catalog import Catalog, Entry, State
from redclust.ops.backup.failures import Failures
from redclust.ops.backup.manifest import Level
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class Line:
    """One entry. ``database`` is set where it is another database's; ``checked_at`` is of ``level``."""

    name: str
    state: str
    at: datetime
    size_bytes: int
    rows: int | None
    level: str
    checked_at: datetime | None
    restore_s: float | None
    pinned: bool
    encrypted: bool
    own: bool
    database: str
    problem: str


@dataclass(frozen=True, slots=True)
class ListReport(Report):
    """Newest first; ``latest`` is the name that `restore latest` would take. Broken ones make it not ok."""

    verb: ClassVar[str] = "backup.ls"
    place: str
    latest: str | None
    note: str
    backups: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        # Of one whose manifest is damaged nobody knows whose it is.
        return not any(line.state == State.BROKEN and not line.database for line in self.backups)


@dataclass(frozen=True, slots=True)
class StatusReport(Report):
    """Whether a monitor may be content; ``problems`` are why not."""

    verb: ClassVar[str] = "backup.status"
    place: str
    latest: str | None
    latest_at: datetime | None
    age_s: float | None
    max_age_s: float
    level: str
    size_bytes: int | None
    verified: int
    failures: Failures | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def ls(loaded: Loaded) -> ListReport:
    """Every entry of the place; the database may be down."""
    catalog = places.read(loaded)
    latest, note = _latest(catalog, loaded)
    lines = tuple(_line(catalog, entry) for entry in catalog.entries)
    return ListReport(catalog.store.describe(), latest.name if latest else None, note, lines)


def status(loaded: Loaded, *, max_age_s: float | None = None) -> StatusReport:
    """Whether the newest verified backup is young enough, and what went wrong since."""
    limit_s = duration.seconds(loaded.settings.backup.max_age) if max_age_s is None else max_age_s
    catalog = places.read(loaded)
    latest, note = _latest(catalog, loaded)
    age_s = (datetime.now(UTC) - latest.at).total_seconds() if latest else None
    failed = failures.read(catalog.store, catalog.ours.source)
    problems = [note] if latest is None else []
    if age_s is not None and age_s > limit_s:
        told = (
            f"the newest verified backup is {duration.words(age_s)} old, more than {duration.words(limit_s)}"
        )
        problems.append(told)
    if failed is not None:
        times = "1 run" if failed.count == 1 else f"{failed.count} runs in a row"
        problems.append(f"{times} failed since, the last at {failed.at:%Y-%m-%d %H:%M} UTC: {failed.error}")
    broken = [
        e for e in catalog.entries if e.state is State.BROKEN and (e.manifest is None or catalog.is_own(e))
    ]
    problems += [f"{entry.name} is broken: {entry.problem}" for entry in broken]
    return StatusReport(
        place=catalog.store.describe(),
        latest=latest.name if latest else None,
        latest_at=latest.at if latest else None,
        age_s=age_s,
        max_age_s=limit_s,
        level=_level(latest)[0] if latest else "",
        size_bytes=latest.size_bytes if latest else None,
        verified=sum(entry.verified for entry in catalog.own()),
        failures=failed,
        problems=tuple(problems),
    )


def _latest(catalog: Catalog, loaded: Loaded) -> tuple[Entry | None, str]:
    can_read = loaded.settings.backup.identity_file is not None
    try:
        found = catalog.choose(can_read=can_read)
    except ArtefactUnusable as error:
        return None, str(error)
    unread = found.state is State.HASHED
    note = "latest is hashed, not read: it is encrypted and backup.identity_file is not set" if unread else ""
    return found, note


def _level(entry: Entry) -> tuple[str, datetime | None]:
    """The highest level that was passed, and when last."""
    passed = {check.level: check.at for check in entry.evidence.checks if check.ok}
    made = entry.manifest.verified if entry.manifest else None
    if made is not None:
        passed.setdefault(made.level, made.at)
    level = max(passed, key=lambda one: one.rank, default=None)
    return (level.value, passed[level]) if level else ("", None)


def _line(catalog: Catalog, entry: Entry) -> Line:
    made = entry.manifest
    own = catalog.is_own(entry)
    level, checked_at = _level(entry)
    drilled = entry.evidence.newest(Level.RESTORE)
    return Line(
        name=entry.name,
        state=entry.state.value,
        at=entry.at,
        size_bytes=entry.size_bytes,
        rows=made.rows if made else None,
        level=level,
        checked_at=checked_at,
        restore_s=drilled.duration_s if drilled and drilled.ok else None,
        pinned=entry.pinned,
        encrypted=made is not None and made.encrypted,
        own=own,
        database="" if own or entry.identity is None else str(entry.identity),
        problem=entry.problem,
    )
