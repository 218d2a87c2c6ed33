"""``doctor disk``: what could go when the disk is full, safest first; looks only, and starts nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import psycopg
from psycopg import errors as pg

from redclust.config import Loaded
from redclust.db import disk, embedded
from redclust.db.connect import Connection, Connector
from redclust.db.failures import in_words
from redclust.db.layout import Layout
from redclust.db.session import Database
from redclust.db.target import external
from redclust.errors import RedclustError
from redclust.ops import backup, integrity, reindex, restore
from redclust.ops.backup import places
from redclust.report import Report, Silent
from redclust.sql import query

#: From this share on the runbook wants an alarm.
HIGH_RATIO = 0.85
Risk = Literal["nothing is lost", "can be made again", "is gone for good"]
_RISKS: tuple[Risk, ...] = ("nothing is lost", "can be made again", "is gone for good")


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that redclust writes to, and what of it is used."""

    what: str
    path: str
    total_bytes: int
    free_bytes: int

    @property
    def used_ratio(self) -> float:
        return 1 - self.free_bytes / max(1, self.total_bytes)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that could go: how many bytes that gives back, what it costs, and the command.

    ``needs_bytes`` of free disk while it is done: on a disk that is full it comes after the others.
    """

    what: str
    size_bytes: int
    risk: Risk
    command: str
    needs_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DiskReport(Report):
    """Items in the order in which they should go; not ok when a disk is used to 85 % or more.

    ``unknown`` says what could not be looked at, and why: it may hold more.
    """

    verb: ClassVar[str] = "doctor.disk"
    disks: tuple[Disk, ...]
    items: tuple[Item, ...]
    unknown: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return all(one.used_ratio < HIGH_RATIO for one in self.disks)


def look(loaded: Loaded) -> DiskReport:
    """Look at the home, the backups and, where it answers, the database; reads sizes, not contents."""
    found = _Found()
    found.part("the home", lambda: _home(loaded, found))
    found.part("backups", lambda: _backups(loaded, found))
    found.part("the database", lambda: _database(loaded, found))
    items = [one for one in found.items if one.size_bytes > 0]
    items.sort(key=lambda one: (_RISKS.index(one.risk), one.needs_bytes > 0, -one.size_bytes))
    return DiskReport(tuple(found.disks.values()), tuple(items), tuple(found.unknown))


@dataclass(slots=True)
class _Found:
    """What the parts have found so far."""

    disks: dict[int, Disk] = field(default_factory=dict[int, Disk])
    items: list[Item] = field(default_factory=list[Item])
    unknown: list[str] = field(default_factory=list[str])

    def part(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except RedclustError as error:
            self.unknown.append(f"{name}: {error}")
        except psycopg.Error as error:
            self.unknown.append(f"{name}: {in_words(error) or ' '.join(str(error).split())}")
        except OSError as error:
            self.unknown.append(f"{name}: {error.strerror} ({error.filename})")

    def disk(self, what: str, path: Path) -> None:
        while not path.exists():
            path = path.parent
        total, _, free = shutil.disk_usage(path)
        self.disks.setdefault(path.stat().st_dev, Disk(what, str(path), total, free))

    def file(self, what: str, path: Path, risk: Risk, command: str) -> None:
        if path.exists():
            self.items.append(Item(what, _size(path), risk, command))


def _home(loaded: Loaded, found: _Found) -> None:
    home, layout = loaded.home, Layout(loaded.home)
    found.disk("home", home)
    found.file(
        "lines of dumps that could not be read",
        home / "rejects",
        "can be made again",
        f"rm -r {home / 'rejects'}  # importing the dump again makes them again",
    )
    for left in sorted(home.glob("upgrade-*")) if home.is_dir() else []:
        found.file("a db upgrade that was killed", left, "nothing is lost", f"rm -r {left}")
    if external(loaded.settings.database) is not None:
        return
    if layout.server.exists():
        found.disk("embedded server", layout.server)
        found.file("the server's log", layout.log, "is gone for good", f"truncate -s 0 {layout.log}")
        for old in sorted(layout.server.glob("data.postgres*")):
            found.file("the data of before a db upgrade", old, "is gone for good", f"rm -r {old}")


def _backups(loaded: Loaded, found: _Found) -> None:
    target = loaded.settings.backup.target
    if target is None or "://" not in target:
        found.disk("backups", loaded.home / (target or "backups"))
    if not places.read(loaded).entries:
        return
    tidy = backup.tidy(loaded, keep=None, dry_run=True, approve=lambda brake: None)
    risk: Risk = "is gone for good"
    found.items.append(
        Item("backups that the rules do not keep", tidy.freed_bytes, risk, "redclust backup tidy")
    )


def _database(loaded: Loaded, found: _Found) -> None:
    with _answering(loaded) as connector:
        if connector is None:
            found.unknown.append("the database: its server is not running (redclust db start)")
            return
        database = Database(connector)
        with connector.connect(autocommit=True) as connection:
            where = disk.data_directory(connection, connector.target)
            if where is None:
                found.unknown.append("the disk of the database: its server is not on this machine")
            else:
                found.disk("database", where)
            found.part("replication slots", lambda: _slots(connection, found))
            found.part("the quarantine", lambda: _quarantine(connection, found))
        found.part("leftovers", lambda: _leftovers(database, found))
        found.part("bloat", lambda: _bloat(database, loaded, found))
        found.part("kept databases", lambda: _kept(connector, found))


@contextmanager
def _answering(loaded: Loaded) -> Generator[Connector | None]:
    """The database unless it would have to be started for the question: that writes."""
    target = external(loaded.settings.database)
    if target is not None:
        yield Connector(target, loaded.settings.database, "doctor")
        return
    own = embedded.locate(loaded.home, loaded.settings.database)
    if not own.layout.initialised or not own.running():
        yield None
        return
    with own.in_use() as running:
        yield Connector(running, loaded.settings.database, "doctor")


def _slots(connection: Connection, found: _Found) -> None:
    for name, size_bytes in connection.execute(query("doctor", "slots")):
        command = f'redclust db psql -- -c "{_drop_slot(name)}"  # that standby must be made anew'
        found.items.append(
            Item(f"what is kept for the replica {name}", size_bytes, "can be made again", command)
        )


def _drop_slot(name: str) -> str:
    return query("doctor", "drop_slot").replace("%(name)s", f"'{name}'")


def _quarantine(connection: Connection, found: _Found) -> None:
    try:
        row = connection.execute(query("doctor", "quarantine_bytes")).fetchone()
    except pg.UndefinedTable:
        return
    command = "redclust integrity quarantine drop --older-than 7d"
    found.items.append(
        Item("rows that integrity clean took out", row[0] if row else 0, "is gone for good", command)
    )


def _leftovers(database: Database, found: _Found) -> None:
    for one in reindex.clear_away(database, Silent(), wait_s=0, dry_run=True):
        if one.state == "planned":
            what = f"the index {one.index} of a rebuild that died"
            found.items.append(
                Item(what, one.size_bytes or 0, "nothing is lost", f"redclust reindex {one.table}")
            )


def _bloat(database: Database, loaded: Loaded, found: _Found) -> None:
    settings = loaded.settings.maintenance
    # Without looking at pages: on a server in trouble the estimate must do.
    for one in integrity.bloat(database, settings, (), Silent(), budget_s=0).relations:
        wasted_bytes = one.estimated_bytes or 0
        if one.verdict == "fine":
            continue
        name = database.connector.target.parameters().get("dbname", "")
        command = f"redclust reindex {one.name}"
        if one.kind != "index":
            command = f"redclust vacuum --full {one.table} --confirm {name}"
        needs_bytes = one.size_bytes - wasted_bytes
        what = f"about what {one.name} wastes (an estimate)"
        found.items.append(Item(what, wasted_bytes, "nothing is lost", command, needs_bytes))


def _kept(connector: Connector, found: _Found) -> None:
    report = restore.kept(connector)
    size_bytes = sum(one.size_bytes for one in report.kept)
    command = f"redclust restore --drop-kept --confirm {report.database}"
    found.items.append(Item("databases kept by restore --swap", size_bytes, "is gone for good", command))


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(one.lstat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())
