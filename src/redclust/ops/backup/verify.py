"""``backup verify``: check finished backups again, and write down what was found."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from redclust import pgtools
from redclust.config import Loaded
from redclust.db.target import external
from redclust.errors import ArtefactUnusable, ConfigError, RedclustError
from redclust.ops.backup import evidence, places, readback
from redclust.ops.backup.catalog import LATEST, Catalog, Entry, State
from redclust.ops.backup.evidence import Check
from redclust.ops.backup.make import keys_of
from redclust.ops.backup.manifest import Level, Manifest
from redclust.ops.backup.readback import Reader
from redclust.pgtools import Tools
from redclust.report import Progress, Report


@dataclass(frozen=True, slots=True)
class Result:
    """One backup's check; ``problem`` says what is wrong where it is not ``ok``."""

    name: str
    level: str
    ok: bool
    duration_s: float
    size_bytes: int
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyReport(Report):
    verb: ClassVar[str] = "backup.verify"
    place: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        return all(result.ok for result in self.results)

    @property
    def exit_code(self) -> int:
        return 0 if self.ok else ArtefactUnusable.exit_code


def run(loaded: Loaded, progress: Progress, *, name: str | None, every: bool, level: Level) -> VerifyReport:
    """Check one backup (default: the newest) or every one of this database; needs no database.

    What is found stays beside the backup: one that failed is used no more until a check of the same level
    or a higher one has passed.

    Raises:
        ArtefactUnusable: there is none, or none of that name.
        ConfigError: it is encrypted, and there is no key to read it.
    """
    catalog = places.read(loaded)
    keys = keys_of(loaded)
    results: list[Result] = []
    for entry in chosen(catalog, name, every=every):
        if level is not Level.HASH and entry.manifest and entry.manifest.encrypted and not keys:
            raise ConfigError(
                f"{entry.name} is encrypted, and there is no key to read it",
                hint="set backup.identity_file, or verify --level hash",
            )
        results.append(_verify(catalog, entry, level, keys, loaded, progress))
    return VerifyReport(catalog.store.describe(), tuple(results))


def chosen(catalog: Catalog, name: str | None, *, every: bool) -> list[Entry]:
    """What is to be checked, also those that are known to be broken: a check of theirs may pass again.

    Raises:
        ArtefactUnusable: there is none, or none of that name.
    """
    checked = [e for e in catalog.entries if e.state not in (State.PARTIAL, State.FOREIGN)]
    own = [e for e in checked if e.manifest is None or catalog.is_own(e)]
    if name is None or name == LATEST:
        found = own if every else own[:1]
    else:
        found = [entry for entry in checked if entry.name == name]
    if not found:
        where = catalog.store.describe()
        told = (
            f"there is no backup {name} in {where}"
            if name
            else f"there is no backup of this database in {where}"
        )
        raise ArtefactUnusable(told, hint="redclust backup ls")
    return found


def _verify(
    catalog: Catalog,
    entry: Entry,
    level: Level,
    keys: tuple[object, ...],
    loaded: Loaded,
    progress: Progress,
) -> Result:
    made, store = entry.manifest, catalog.store
    if made is None:
        return Result(entry.name, level.value, False, 0.0, entry.size_bytes, entry.problem)
    started_s = time.monotonic()
    problem, figures = "", dict[str, float | int | str]()
    with store.reading(entry.name):
        try:
            tools = tools_to_read(loaded, made) if level is not Level.HASH else None
            reader = Reader(
                lambda file: store.open(entry.name, file), store.describe(entry.name), keys, tools
            )
            with progress.task(f"{level.value} {entry.name}", made.size_bytes, "bytes") as task:
                readback.check(made, level, reader, task)
        except ArtefactUnusable as error:
            problem = str(error)
        seconds = time.monotonic() - started_s
        check = Check(level, not problem, datetime.now(UTC), seconds, problem, figures)
        _record(catalog, entry.name, check, progress)
    return Result(entry.name, level.value, not problem, seconds, entry.size_bytes, problem)


def _record(catalog: Catalog, name: str, check: Check, progress: Progress) -> None:
    try:
        evidence.record(catalog.store, name, check)
    except (RedclustError, OSError) as error:
        progress.say(f"the check of {name} could not be written down: {error}")


def tools_to_read(loaded: Loaded, made: Manifest) -> Tools:
    """A pg_restore of the version that made the archive.

    Raises:
        ToolError: there is none; says where to get one.
    """
    own = loaded.settings.database.bin_dir
    bin_dir = own or (pgtools.wheel_bin_dir() if external(loaded.settings.database) is None else None)
    return pgtools.client_tools(bin_dir, int(made.pg_dump_version.split(".", 1)[0]), "pg_restore")
