"""``db upgrade``: a data directory of another major version, by dump and restore."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from redclust import pgtools
from redclust.config import Loaded
from redclust.db import attributes, contents, embedded, schema
from redclust.db.attributes import DatabaseFacts
from redclust.db.connect import Connector
from redclust.db.embedded import Embedded
from redclust.db.filelock import exclusive
from redclust.db.layout import Layout
from redclust.db.target import DATABASE, SUPERUSER, external
from redclust.errors import Locked, RedclustError, ToolError, UsageError
from redclust.report import Progress, Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class UpgradeReport(Report):
    """Rows are counted in every table before and after; ``kept_dir`` holds the old data directory.

    ``notes`` say what was not brought over and is to be found there.
    """

    verb: ClassVar[str] = "db.upgrade"
    from_major: int
    to_major: int
    tables: int
    rows: int
    kept_dir: str | None
    notes: tuple[str, ...] = ()


def upgrade(loaded: Loaded, old_bin_dir: str | None, progress: Progress) -> UpgradeReport:
    """Dump the old server, restore aside with the new programs, compare counts, then exchange.

    The dump is made with the old server's own pg_dump: Postgres 15.20 keeps marks in its catalogs that the
    pg_dump of an older 18 takes for settings of columns, which nothing can restore.
    The old data directory is kept beside the new one; until the exchange nothing of it changes.

    Raises:
        UsageError: the database is an external one, or nothing has been made yet.
        ToolError: no programs of the old major version, or one of the steps fails.
        Locked: another upgrade is at work, or the server was started to stay.
    """
    if external(loaded.settings.database) is not None:
        raise UsageError("db upgrade is about the embedded server; an external one has its own pg_upgrade")
    own = embedded.locate(loaded.home, loaded.settings.database)
    if not own.layout.initialised:
        raise UsageError(f"there is no data in {own.layout.data} to upgrade")
    if own.layout.major == own.tools.major:
        return UpgradeReport(own.layout.major, own.tools.major, 0, 0, None)
    old = Embedded(own.layout, _old_tools(own.layout, old_bin_dir))
    if old.layout.keep_marker.exists() and old.running():
        raise Locked("the old server was started to stay", hint="redclust db stop")
    try:
        with exclusive(own.layout.lock_file("upgrade"), wait=False):
            return _upgrade(loaded, old, own.tools, progress)
    except BlockingIOError:
        raise Locked("another upgrade is at work", hint="wait for it") from None


def _upgrade(loaded: Loaded, old: Embedded, tools: pgtools.Tools, progress: Progress) -> UpgradeReport:
    # Under the lock: whatever a killed upgrade left is nobody's.
    for leftover in old.layout.home.glob("upgrade-*"):
        _remove(leftover, tools)
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    aside = old.layout.home / f"upgrade-{stamp}"
    new = Embedded(Layout(aside / "home"), tools)
    archive, roles = aside / "dump", aside / "roles.sql"
    aside.mkdir()
    # As open as the home: then both servers lie in one file system, where a rename is possible.
    aside.chmod(stat.S_IMODE(old.layout.home.stat().st_mode))
    try:
        with progress.task("dump of the old server"), old.in_use() as target:
            source = Connector(target, loaded.settings.database, "upgrade")
            before, wanted, notes = _read(source)
            for file in (archive, roles):
                os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            own = old.tools if Path(old.tools.path("pg_dump")).exists() else tools
            pgtools.dump(own, archive, env=source.environment())
            pgtools.dump_roles(own, roles, superuser=SUPERUSER, env=source.environment())
        with progress.task("restore into the new server"), new.in_use() as target:
            fresh = Connector(target, loaded.settings.database, "upgrade")
            pgtools.run_script(tools, roles, env=fresh.environment())
            pgtools.restore(tools, archive, dbname=DATABASE, env=fresh.environment())
            notes += _finish(fresh, wanted)
            after = contents.count_now(fresh)
            if before != after:
                different = sorted(t for t in before if before[t] != after.get(t))
                raise RedclustError(
                    f"rows differ after the restore in {', '.join(different)}; nothing changed"
                )
            schema.migrate(fresh)
        kept = _exchange(old, new, stamp)
    finally:
        _remove(aside, tools)
    return UpgradeReport(
        old.tools.major, tools.major, len(before), sum(before.values()), str(kept), tuple(notes)
    )


def _old_tools(layout: Layout, old_bin_dir: str | None) -> pgtools.Tools:
    major = layout.major
    tried = [Path(old_bin_dir)] if old_bin_dir else [Path(f"/usr/lib/postgresql/{major}/bin")]
    for directory in tried:
        if (directory / "postgres").exists():
            tools = pgtools.find_tools(directory)
            if tools.major == major:
                return tools
    raise ToolError(
        f"no programs of Postgres {major} in {tried[0]}, and the data needs them once",
        hint=f"install Postgres {major} and name its directory: redclust db upgrade --old-bin-dir DIR",
    )


def _read(source: Connector) -> tuple[dict[str, int], DatabaseFacts, list[str]]:
    """Rows of every table, the database's attributes, and what will not be brought over."""
    with source.connect(bulk=True, autocommit=True) as connection:
        wanted = attributes.read(connection, DATABASE)
        others = [str(row[0]) for row in connection.execute(query("db", "other_databases"))]
        system = [str(row[0]) for row in connection.execute(query("db", "system_settings"))]
    if wanted is None:
        raise UsageError(f"there is no database {DATABASE} in the old server to upgrade")
    notes = [f"the database {name} was not brought over" for name in others]
    if system:
        notes.append(f"settings made by ALTER SYSTEM were not brought over: {', '.join(system)}")
    return contents.count_now(source), wanted, notes


def _finish(fresh: Connector, wanted: DatabaseFacts) -> list[str]:
    with fresh.connect(bulk=True, autocommit=True) as connection:
        # A restored database has no planner statistics.
        connection.execute(query("db", "analyze_all"))
        return list(attributes.apply(connection, DATABASE, wanted, owner=True))


def _exchange(old: Embedded, new: Embedded, stamp: str) -> Path:
    """Renames while nobody may start: after a crash between them the next start does the last one."""
    data = old.layout.data
    kept = data.with_name(f"data.postgres{old.tools.major}-{stamp}")
    with old.alone(wait=True), new.alone(wait=True):
        old.stop()
        new.stop()
        embedded.give(new.layout.data, old.layout.account())
        shutil.rmtree(old.layout.upgraded, ignore_errors=True)
        new.layout.data.rename(old.layout.upgraded)
        data.rename(kept)
        old.layout.upgraded.rename(data)
    return kept


def _remove(aside: Path, tools: pgtools.Tools) -> None:
    new = Embedded(Layout(aside / "home"), tools)
    if new.layout.initialised:
        with new.alone(wait=True):
            new.stop()
    shutil.rmtree(new.layout.server, ignore_errors=True)
    shutil.rmtree(aside)
