"""``backup tidy``: remove what the policy does not keep, and nothing that is not this database's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from redclust.config import BackupSettings, Loaded
from redclust.errors import ArtefactUnusable, DatabaseUnreachable, Locked
from redclust.ops.backup import places, retention
from redclust.ops.backup.catalog import Catalog, Entry, State
from redclust.ops.backup.retention import Candidate, Plan, Policy
from redclust.ops.backup.store import Marker
from redclust.report import Report

#: Whatever an unfinished backup waits for, it does not wait a day.
_DEAD_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Removed:
    name: str
    size_bytes: int
    state: str


@dataclass(frozen=True, slots=True)
class Kept:
    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TidyReport(Report):
    """``removed`` are gone, or with ``dry_run`` would go; ``left`` could not go now, each with why.

    ``ignored`` counts what tidy never touches: other databases' backups, broken and foreign entries.
    """

    verb: ClassVar[str] = "backup.tidy"
    place: str
    dry_run: bool
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]
    left: tuple[str, ...]
    ignored: int
    brake: str = ""

    @property
    def ok(self) -> bool:
        """A brake that holds is no success: somebody has to look."""
        return not self.brake

    @property
    def freed_bytes(self) -> int:
        return sum(one.size_bytes for one in self.removed)


def policy(settings: BackupSettings, keep: int | None = None) -> Policy:
    """The policy of the settings; ``keep`` as ``--keep`` has it."""
    last = settings.keep if keep is None else keep
    return Policy(last, settings.keep_daily, settings.keep_weekly, settings.keep_monthly)


def run(loaded: Loaded, *, keep: int | None, dry_run: bool, approve: Callable[[str], None]) -> TidyReport:
    """Tidy the place of this configuration; ``approve`` raises where the brake holds and nobody
    says yes.

    Raises:
        Refused: the brake holds; nothing was removed.
        DatabaseUnreachable: which backups are this database's cannot be known without it.
    """
    catalog = places.read(loaded)
    if not catalog.ours.identities and catalog.entries:
        raise DatabaseUnreachable(
            "database not reachable: which backups are its own is not known while it is down",
            hint="tidy when it is up; nothing was removed",
        )
    chosen = policy(loaded.settings.backup, keep)
    report = of(catalog, chosen, dry_run=True)
    if dry_run:
        return report
    if report.brake:
        approve(report.brake)
    return of(catalog, chosen, dry_run=False, brake=False)


def of(catalog: Catalog, chosen: Policy, *, dry_run: bool, brake: bool = True) -> TidyReport:
    """Tidy a catalog; where the brake holds only what died unfinished is removed."""
    own = catalog.own()
    plan = retention.plan([_candidate(entry) for entry in own], chosen)
    held = plan.brake if brake else ""
    dead = [entry for entry in catalog.entries if _dead(catalog, entry)]
    doomed = [*dead, *(e for e in own if e.name in plan.remove and not (held and not dry_run))]
    removed, left = (_listed(doomed), ()) if dry_run else _remove(catalog, doomed)
    return TidyReport(
        place=catalog.store.describe(),
        dry_run=dry_run,
        removed=removed,
        kept=tuple(Kept(name, reasons) for name, reasons in plan.keep.items()),
        left=left,
        ignored=len(catalog.entries) - len(dead) - _counted(plan),
        brake=held,
    )


def _candidate(entry: Entry) -> Candidate:
    rows = entry.manifest.rows if entry.manifest else 0
    return Candidate(entry.name, entry.at, rows, entry.verified, entry.pinned)


def _counted(plan: Plan) -> int:
    return len(plan.keep) + len(plan.remove)


def _dead(catalog: Catalog, entry: Entry) -> bool:
    """Unfinished, this database's own, and older than anything that is still at work."""
    if entry.state is not State.PARTIAL or not catalog.is_own(entry):
        return False
    begun = entry.marker.at if entry.marker else entry.modified_at
    return datetime.now(UTC) - max(begun, entry.modified_at) > _DEAD_AFTER


def _listed(entries: Sequence[Entry]) -> tuple[Removed, ...]:
    return tuple(Removed(entry.name, entry.size_bytes, entry.state.value) for entry in entries)


def _remove(catalog: Catalog, doomed: Sequence[Entry]) -> tuple[tuple[Removed, ...], tuple[str, ...]]:
    removed: list[Entry] = []
    left: list[str] = []
    for entry in doomed:
        owner = entry.identity or next(iter(catalog.ours.identities))
        try:
            catalog.store.remove(entry.name, Marker.of(owner))
            removed.append(entry)
        except Locked as error:
            left.append(f"{entry.name} is in use: {error}")
        except ArtefactUnusable:  # another tidy was quicker
            continue
    return _listed(removed), tuple(left)
