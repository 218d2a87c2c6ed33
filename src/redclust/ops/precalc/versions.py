"""Versions of the graph: the list of them, how two differ, and putting an older one back."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec
import psycopg
from psycopg import IsolationLevel, sql
from psycopg.types.json import Jsonb

from redclust.config import PrecalcSettings
from redclust.db import locks, tombstones
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.precalc import history
from redclust.ops.precalc.figures import Figures, TableChange
from redclust.ops.precalc.swap import swap, tidy
from redclust.report import Progress, Report
from redclust.sql import query

#: How many subreddits and communities a comparison names.
_NAMED = 10
#: In this order: links end at nodes, relationships follow from links.
_PUT_BACK = ("communities", "community_links", "nodes", "links", "relationships")
#: What versions replaced.
KEPT_TABLES = (
    "graph_nodes_before",
    "graph_links_before",
    "graph_communities_before",
    "graph_community_links_before",
)


@dataclass(frozen=True, slots=True)
class Version:
    """A run that came to its end; ``kept`` while it can be compared and put back."""

    id: int
    completed_at: datetime
    snapshot_at: datetime | None
    rolled_back_to: int | None
    figures: Figures
    kept: bool


@dataclass(frozen=True, slots=True)
class VersionsReport(Report):
    """The newest versions, the one that is shown first."""

    verb: ClassVar[str] = "graph.versions"
    versions: tuple[Version, ...]

    @property
    def ok(self) -> bool:
        return bool(self.versions)


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of the nodes or links of one type; ``moved`` nodes changed only their place."""

    type: str
    added: int
    removed: int
    changed: int
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Grown:
    """A subreddit by its users in both versions; None: it was not there."""

    name: str
    users_a: float | None
    users_b: float | None


@dataclass(frozen=True, slots=True)
class CommunityChange:
    """A community of the first level in both versions; None: it was not there."""

    id: int
    label_a: str | None
    subreddits_a: int | None
    label_b: str | None
    subreddits_b: int | None


@dataclass(frozen=True, slots=True)
class DiffReport(Report):
    """What changed from version ``a`` to version ``b``; the lists name what changed most."""

    verb: ClassVar[str] = "graph.diff"
    a: int
    b: int
    nodes: tuple[Difference, ...]
    links: tuple[Difference, ...]
    subreddits: tuple[Grown, ...]
    communities: tuple[CommunityChange, ...]


@dataclass(frozen=True, slots=True)
class RollbackReport(Report):
    """Version ``version`` is shown again, as the new version ``run_id``."""

    verb: ClassVar[str] = "graph.rollback"
    version: int
    run_id: int
    changes: tuple[TableChange, ...]
    duration_s: float


def listed(database: Database, settings: PrecalcSettings, *, limit: int) -> VersionsReport:
    """The newest versions; computes nothing."""
    with database.connect(autocommit=True) as connection:
        return VersionsReport(tuple(_versions(connection, settings, limit)))


def diff(
    database: Database, settings: PrecalcSettings, a: int | None = None, b: int | None = None
) -> DiffReport:
    """Compare two versions; without ``b`` the newest one with ``a`` or the one before it, without ``a`` alone
    ``b`` with the newest one.

    Linear in what was changed since the older one.

    Raises:
        UsageError: a version is not there or no longer kept.
    """
    with database.connect(bulk=True) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        known = [version.id for version in _versions(connection, settings, settings.versions_kept)]
        if len(known) < 2 and (a is None or b is None):
            raise UsageError(
                "there are no two versions to compare", hint="redclust graph versions lists them"
            )
        if b is None:
            b = known[0]
            a = _before(known, b) if a is None else a
        a = known[0] if a is None else a
        for one in (a, b):
            _require_kept(known, one)
        turned = a > b
        values = {"a": min(a, b), "b": max(a, b)}
        named = {**values, "limit": _NAMED}
        connection.execute(query("versions", "by_hash"))
        nodes = tuple(Difference(*row) for row in connection.execute(query("versions", "diff_nodes"), values))
        links = tuple(Difference(*row) for row in connection.execute(query("versions", "diff_links"), values))
        grown = tuple(Grown(*row) for row in connection.execute(query("versions", "diff_biggest"), named))
        changed = tuple(
            CommunityChange(*row) for row in connection.execute(query("versions", "diff_communities"), named)
        )
    if turned:
        nodes, links = tuple(map(_turned, nodes)), tuple(map(_turned, links))
        grown = tuple(Grown(one.name, one.users_b, one.users_a) for one in grown)
        changed = tuple(
            CommunityChange(one.id, one.label_b, one.subreddits_b, one.label_a, one.subreddits_a)
            for one in changed
        )
    return DiffReport(a, b, nodes, links, grown, changed)


def rollback(
    database: Database, settings: PrecalcSettings, version: int, progress: Progress
) -> RollbackReport:
    """Show an older version again, whole or not at all; a version of its own, so that it can be undone too.

    What was deleted or forgotten since stays gone. Activity, which is counted from posts and comments, is not
    touched, and the next precalc goes on from the map that is put back.

    Raises:
        UsageError: the version is not there, no longer kept, or the one that is shown.
        Locked: a precalc is running.
    """
    started_s = time.monotonic()
    with (
        locks.hold(database.connector, LockName.PRECALC) as watch,
        database.connect(bulk=True, autocommit=True) as connection,
    ):
        known = [one.id for one in _versions(connection, settings, settings.versions_kept)]
        _require_kept(known, version)
        if version == known[0]:
            raise UsageError(f"version {version} is the one that is shown")
        run_id, _ = history.begin(connection, {"rolled_back_to": version})
        try:
            changes = _put_back(database, connection, watch, version, run_id, progress)
        except BaseException as error:
            history.fail(database.connector, run_id, " ".join(str(error).split()) or type(error).__name__)
            raise
        with progress.task("analyzing") as task, suppress(psycopg.OperationalError):
            tidy(connection, changes, task)
            forget_older(connection, keep=settings.versions_kept)
    return RollbackReport(version, run_id, changes, round(time.monotonic() - started_s, 3))


def forget_older(connection: Connection, *, keep: int) -> None:
    """Delete what was kept for versions older than the newest ``keep``."""
    row = connection.execute(query("versions", "oldest_kept"), {"keep": keep}).fetchone()
    for table in KEPT_TABLES:
        statement = sql.SQL(query("versions", "forget_older")).format(table=sql.Identifier(table))
        connection.execute(statement, {"oldest": row[0] if row else None})


def _put_back(
    database: Database,
    connection: Connection,
    watch: Connection,
    version: int,
    run_id: int,
    progress: Progress,
) -> tuple[TableChange, ...]:
    def record(changes: tuple[TableChange, ...]) -> bool:
        erased = tombstones.apply(connection)
        told = Jsonb({"changes": msgspec.to_builtins(changes)})
        values = {"id": run_id, "version": version, "changes": told}
        connection.execute(query("versions", "complete_rollback"), values)
        return bool(erased)

    connection.execute(query("versions", "stage_put_back"))
    connection.execute(query("versions", "put_back"), {"version": version})
    try:
        with progress.task(f"putting version {version} back") as task:
            return swap(
                database.connector,
                connection,
                watch,
                version=run_id,
                differences={name: query("versions", f"stage_{name}_of_version") for name in _PUT_BACK},
                record=record,
                task=task,
            ).changes
    finally:
        with suppress(psycopg.Error):
            connection.execute(query("versions", "drop_put_back"))


def _versions(connection: Connection, settings: PrecalcSettings, limit: int) -> list[Version]:
    values = {"keep": settings.versions_kept, "limit": limit}
    return [
        Version(number, completed_at, snapshot_at, back_to, msgspec.convert(figures, Figures), kept)
        for number, completed_at, snapshot_at, back_to, figures, kept in connection.execute(
            query("versions", "versions"), values
        )
    ]


def _require_kept(known: list[int], version: int) -> None:
    if version not in known:
        kept = ", ".join(map(str, known)) or "none"
        raise UsageError(f"version {version} is not kept; kept are {kept}", hint="redclust graph versions")


def _before(known: list[int], version: int) -> int:
    older = [one for one in known if one < version]
    if not older:
        raise UsageError(f"no version before {version} is kept", hint="redclust graph versions lists them")
    return older[0]


def _turned(one: Difference) -> Difference:
    return Difference(one.type, one.removed, one.added, one.changed, one.moved)
