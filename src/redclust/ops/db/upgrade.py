"""``db upgrade``: a data directory of another major version, by dump and restore."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from redclust import pgtools
from redclust.config import Loaded
from redclust.db import embedded, schema
from redclust.db.connect import Connection, Connector
from redclust.db.embedded import Embedded
from redclust.db.layout import Layout
from redclust.db.target import external
from redclust.errors import Locked, RedclustError, ToolError, UsageError
from redclust.report import Progress, Report
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class UpgradeReport(Report):
    """Rows are counted in every table before and after; ``kept_dir`` holds the old data directory."""

    verb: ClassVar[str] = "db.upgrade"
    from_major: int
    to_major: int
    tables: int
    rows: int
    kept_dir: str | None


def upgrade(loaded: Loaded, old_bin_dir: str | None, progress: Progress) -> UpgradeReport:
    """Dump with the new programs from the old server, restore aside, compare counts, then exchange.

    The old data directory is kept beside the new one; until the exchange nothing of it changes.

    Raises:
        UsageError: the database is an external one, or nothing has been made yet.
        ToolError: no programs of the old major version, or one of the steps fails.
        Locked: the server is running.
    """
    if external(loaded.settings.database) is not None:
        raise UsageError("db upgrade is about the embedded server; an external one has its own pg_upgrade")
    own = embedded.locate(loaded.home, loaded.settings.database)
    if not own.layout.initialised:
        raise UsageError(f"there is no data in {own.layout.data} to upgrade")
    if own.layout.major == own.tools.major:
        return UpgradeReport(own.layout.major, own.tools.major, 0, 0, None)
    old = Embedded(own.layout, _old_tools(own.layout, old_bin_dir))
    if old.running():
        raise Locked("the old server is running", hint="redclust db stop")
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    aside = own.layout.home / f"upgrade-{stamp}"
    new = Embedded(Layout(aside), own.tools)
    archive = own.layout.home / f"upgrade-{stamp}.dump"
    try:
        with progress.task("dump of the old server"), old.in_use() as target:
            before = _counts(Connector(target, loaded.settings.database, "upgrade"))
            os.close(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            pgtools.dump(own.tools, archive, env=target.environment())
        with progress.task("restore into the new server"), new.in_use() as target:
            connector = Connector(target, loaded.settings.database, "upgrade")
            pgtools.restore(
                own.tools, archive, dbname=target.parameters()["dbname"], env=target.environment()
            )
            with connector.connect(autocommit=True, bulk=True) as connection:
                connection.execute(query("db", "analyze_all"))
            after = _counts(connector)
            if before != after:
                different = sorted(t for t in before if before[t] != after.get(t))
                raise RedclustError(f"rows differ after the restore in {', '.join(different)}; nothing changed")
            schema.migrate(connector)
        kept = _exchange(old, new, stamp)
    finally:
        archive.unlink(missing_ok=True)
        _remove(aside)
    return UpgradeReport(old.tools.major, own.tools.major, len(before), sum(before.values()), str(kept))


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


def _counts(connector: Connector) -> dict[str, int]:
    """Exact rows of every table in one snapshot; one sequential scan each."""
    with connector.connect(bulk=True) as connection:
        connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        tables = [str(row[0]) for row in connection.execute(query("db", "tables"))]
        return {table: _count(connection, table) for table in tables}


def _count(connection: Connection, table: str) -> int:
    statement = sql.SQL(query("db", "count_rows")).format(table=sql.Identifier(table))
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _exchange(old: Embedded, new: Embedded, stamp: str) -> Path:
    """Two renames while nobody may start: a crash between them leaves both directories under a name."""
    data = old.layout.data
    kept = data.with_name(f"data.postgres{old.tools.major}-{stamp}")
    with old.alone(), new.alone():
        embedded.give(new.layout.data, old.layout.account())
        data.rename(kept)
        new.layout.data.rename(data)
    return kept


def _remove(aside: Path) -> None:
    import shutil

    if aside.exists():
        server = (aside / "postgres").resolve()
        shutil.rmtree(aside)
        shutil.rmtree(server, ignore_errors=True)
