"""What backups there are, told from the place alone: works while the database is down.

Everything that lies there is listed as what it is; only whole backups of this database are ever chosen
without being named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from redclust.errors import ArtefactUnusable
from redclust.ops.backup import evidence, manifest, signed
from redclust.ops.backup.evidence import NOTHING_KNOWN, Evidence
from redclust.ops.backup.local import PARTIAL, LocalStore
from redclust.ops.backup.manifest import Identity, Level, Manifest
from redclust.ops.backup.store import MARKER, Found, Marker, Store

LATEST = "latest"
#: How the names of payloads end: a directory with one of them was a backup once.
ENDINGS = (".dump", ".dump.zst", ".sql", ".sql.zst", ".age")


class State(StrEnum):
    """How much is known of an entry."""

    #: Being written, or left behind by a run that died.
    PARTIAL = "partial"
    #: Whole, and never read back.
    DUMPED = "dumped"
    HASHED = "hashed"
    READ = "read"
    RESTORED = "restored"
    #: A file of it is missing, damaged or was found bad by a check; ``problem`` says which.
    BROKEN = "broken"
    #: Not redclust's.
    FOREIGN = "foreign"


_STATE_OF = {
    None: State.DUMPED,
    Level.HASH: State.HASHED,
    Level.READ: State.READ,
    Level.RESTORE: State.RESTORED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing at the place of backups; ``manifest`` is None where it has none that can be trusted."""

    name: str
    state: State
    size_bytes: int
    modified_at: datetime
    manifest: Manifest | None = None
    evidence: Evidence = NOTHING_KNOWN
    problem: str = ""
    #: Of an unfinished one, where it says so.
    marker: Marker | None = None

    @property
    def identity(self) -> Identity | None:
        if self.manifest is not None:
            return self.manifest.identity
        return self.marker.identity if self.marker else None

    @property
    def at(self) -> datetime:
        """The moment that a backup shows; of anything else when it was changed."""
        return self.manifest.moment.at if self.manifest else self.modified_at

    @property
    def whole(self) -> bool:
        return self.state in (State.DUMPED, State.HASHED, State.READ, State.RESTORED)

    @property
    def verified(self) -> bool:
        """Read back to its end; of an encrypted one without a key, every byte compared."""
        if self.state in (State.READ, State.RESTORED):
            return True
        return self.state is State.HASHED and self.manifest is not None and self.manifest.encrypted

    @property
    def pinned(self) -> bool:
        return self.evidence.pin is not None


@dataclass(frozen=True, slots=True)
class Ours:
    """Which backups are this database's: those of its ``identities``.

    An embedded server's home remembers all that it has had; an external server tells its own. Where that one
    is down and none is known, it is the backups that were taken from the same ``source``.
    """

    identities: frozenset[Identity]
    source: str = ""

    def has(self, made: Manifest) -> bool:
        return made.identity in self.identities or (not self.identities and made.source == self.source)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every entry, newest first."""

    store: Store
    entries: tuple[Entry, ...]
    ours: Ours

    def own(self) -> list[Entry]:
        """The whole backups of this database, newest first; copies under another name are not among them."""
        return [e for e in self.entries if e.whole and e.manifest is not None and self.is_own(e)]

    def is_own(self, entry: Entry) -> bool:
        """Whether an entry is of this database; an unfinished one by what it says of itself."""
        if entry.manifest is not None:
            named = entry.name.removesuffix(PARTIAL) == entry.manifest.name
            return named and self.ours.has(entry.manifest)
        return entry.marker is not None and entry.marker.identity in self.ours.identities

    def choose(self, wanted: str = LATEST, *, can_read: bool = True) -> Entry:
        """A backup to use: the one named, whoever's it is, or ``latest``: this database's newest verified,
        but none that was made of what a restore was about to replace.

        Without a key (``can_read=False``) the newest hashed one is the latest of encrypted ones: say so.

        Raises:
            ArtefactUnusable: there is none, or the one named is unfinished, damaged or no backup.
        """
        if wanted == LATEST:
            return self._latest(can_read=can_read)
        entry = next((e for e in self.entries if e.name == wanted.rstrip("/")), None)
        if entry is None:
            raise ArtefactUnusable(
                f"there is no backup {wanted} in {self.store.describe()}", hint="redclust backup ls"
            )
        if not entry.whole:
            raise ArtefactUnusable(
                f"{self.store.describe(entry.name)} cannot be used: {entry.problem or entry.state.value}",
                hint="redclust backup ls shows what can",
            )
        return entry

    def _latest(self, *, can_read: bool) -> Entry:
        own = [e for e in self.own() if e.manifest is not None and not e.manifest.purpose]
        for entry in own:
            known_to_read = entry.state in (State.READ, State.RESTORED)
            if known_to_read or (entry.verified and not can_read):
                return entry
        where = self.store.describe()
        if own:
            raise ArtefactUnusable(
                f"none of the {len(own)} backups of this database in {where} is verified",
                hint="redclust backup verify --all --level read",
            )
        others = [e.name for e in self.entries if e.whole]
        if others:
            raise ArtefactUnusable(
                f"there is no backup of this database in {where}; {len(others)} of other databases are "
                f"there, the newest {others[0]}",
                hint="name the backup to use it all the same",
            )
        raise ArtefactUnusable(f"there is no backup in {where}", hint="redclust backup now")


def read(store: Store, ours: Ours) -> Catalog:
    """List the place: one manifest is read for each backup, no payload."""
    entries = [_entry(store, found) for found in store.scan()]
    entries.sort(key=lambda entry: (entry.at, entry.name), reverse=True)
    return Catalog(store, tuple(entries), ours)


def at(path: Path, ours: Ours) -> tuple[Catalog, Entry]:
    """The one backup at a path outside the usual place (copied from elsewhere).

    Raises:
        ArtefactUnusable: it is no whole backup.
    """
    path = path.absolute()
    catalog = read(LocalStore(path.parent), ours)
    return catalog, catalog.choose(path.name)


def _entry(store: Store, found: Found) -> Entry:
    if found.files is None:
        return Entry(found.name, State.FOREIGN, 0, found.modified_at, problem="a file, no backup")
    made, marker, problem = _read(store, found.name, found.files)
    base = Entry(found.name, State.FOREIGN, found.size_bytes, found.modified_at, made, marker=marker)
    if found.name.endswith(PARTIAL) or marker is not None:
        return replace(base, state=State.PARTIAL, problem="not finished")
    if made is None:
        return replace(base, **_without_manifest(found.files, problem))
    if made.name != found.name:
        return replace(base, problem=f"a copy of {made.name} under another name")
    known = evidence.read(store, found.name, found.files)
    problem = _missing(made, found.files)
    if (bad := known.failed) is not None:
        problem = problem or f"verify --level {bad.level} found: {bad.problem}"
    state = State.BROKEN if problem else _STATE_OF[_best(made, known)]
    return replace(base, state=state, problem=problem or "; ".join(known.problems), evidence=known)


def _without_manifest(files: Mapping[str, int], problem: str) -> dict[str, Any]:
    if manifest.FILE in files:
        return {"state": State.BROKEN, "problem": problem}
    if any(file.endswith(ENDINGS) for file in files):
        return {"state": State.BROKEN, "problem": f"{manifest.FILE} is missing"}
    return {"state": State.FOREIGN, "problem": "no backup"}


def _missing(made: Manifest, files: Mapping[str, int]) -> str:
    """What the listing alone tells: a payload that is not there, or of another size."""
    for payload in made.payloads:
        size = files.get(payload.file)
        if size is None:
            return f"{payload.file} is missing"
        if size != payload.size_bytes:
            return f"{payload.file} has {size} bytes, {payload.size_bytes} were written"
    return ""


def _read(store: Store, name: str, files: Iterable[str]) -> tuple[Manifest | None, Marker | None, str]:
    made: Manifest | None = None
    marker: Marker | None = None
    problem = ""
    try:
        if manifest.FILE in files:
            made = manifest.decode(store.read(name, manifest.FILE), manifest.FILE)
        if MARKER in files:
            marker = signed.decode(store.read(name, MARKER), Marker, MARKER)
    except ArtefactUnusable as error:
        problem = str(error)
    return made, marker, problem


def _best(made: Manifest, known: Evidence) -> Level | None:
    levels = [check.level for check in known.checks if check.ok]
    if made.verified is not None:
        levels.append(made.verified.level)
    return max(levels, key=lambda level: level.rank, default=None)
