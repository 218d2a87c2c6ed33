"""The preflight: everything that decides whether a restore can come to its end, looked at beforehand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redclust import pgtools
from redclust.config import Loaded
from redclust.db import attributes, databases
from redclust.db.attributes import DatabaseFacts
from redclust.db.connect import Connection, Connector
from redclust.db.embedded import Embedded
from redclust.db.target import DATABASE, Target
from redclust.errors import DatabaseUnreachable, RedclustError, Refused
from redclust.ops.backup import places
from redclust.ops.backup.manifest import Level, Manifest
from redclust.ops.restore import live as looks
from redclust.ops.restore import obstacles
from redclust.ops.restore.build import missing_roles
from redclust.ops.restore.reports import Obstacle, RestorePlan
from redclust.ops.restore.request import Request
from redclust.ops.restore.source import Backup, Dump, Source
from redclust.pgtools import Tools
from redclust.sql import migrations

#: An archive smaller than this is streamed: unpacking it would take longer than a second job saves.
_PARALLEL_FROM_BYTES = 32 << 20
_MOST_JOBS = 8


@dataclass(frozen=True, slots=True)
class Findings:
    """The preflight for the one who carries it out: the plan, and what was found on the way."""

    plan: RestorePlan
    facts: DatabaseFacts | None
    errors: Sequence[RedclustError]
    #: The live database is there and takes sessions.
    can_open: bool
    empty: bool
    needs_safety_backup: bool


@dataclass(frozen=True, slots=True)
class _Live:
    """The live database as it is found."""

    facts: DatabaseFacts | None
    empty: bool = True
    since: tuple[looks.Since, ...] = ()
    unchanged: bool = False
    #: Why it takes no sessions.
    broken: str = ""

    @property
    def can_open(self) -> bool:
        return self.facts is not None and not self.broken

    def safety(self, *, swap: bool) -> str:
        """In words, whether what is live is backed up first."""
        if not swap:
            return "not needed: the live database stays as it is"
        if self.broken:
            return "impossible: the live database cannot be opened; it is kept as it is"
        if self.empty:
            return "not needed: the live database holds nothing"
        return (
            "not needed: a verified backup is newer than the last write" if self.unchanged else "will be made"
        )


@dataclass(frozen=True, slots=True)
class Look:
    """One preflight. ``server`` is a database of the server that is none of ours, ``live`` the live one."""

    loaded: Loaded
    server: Connector
    live: Connector
    source: Source
    request: Request

    @property
    def name(self) -> str:
        return databases.name_of(self.live)

    @property
    def made(self) -> Manifest | None:
        return self.source.manifest if isinstance(self.source, Backup) else None

    @property
    def room(self) -> Path:
        """Where archives are unpacked."""
        return self.loaded.home / "restoring"

    def look(self) -> Findings:
        """Look at everything; changes nothing."""
        now = datetime.now(UTC)
        with self.server.connect(autocommit=True) as connection:
            live = self._live(connection)
            # Nothing is lost where nothing is: on a new embedded server the restored one is the live one.
            swap = self.request.swap or (live.empty and self.live.target.embedded and not self.request.into)
            strange = [role.name for role in missing_roles(connection, self.source)]
            roles = strange if self.request.owners else []
            found, errors = self._common(connection, roles, swap=swap)
            target = self.name
            if swap:
                connected, more = obstacles.of_sessions(
                    connection, self.name, terminate=self.request.terminate
                )
                found["connected"] = connected
                errors += more
            else:
                target, more = self._target(connection, now)
                errors += more
            kept = databases.kept(connection, self.name)
            kept_as = databases.kept_name(connection, self.name, now) if swap and not live.empty else None
        plan = RestorePlan(
            **_of_source(self.source),
            **found,
            schema_version=len(migrations()),
            mode="swap" if swap else "new",
            live=self.name,
            target=target,
            kept_as=kept_as,
            since=live.since,
            safety_backup=live.safety(swap=swap),
            kept_databases=len(kept),
            kept_bytes=sum(one.size_bytes for one in kept),
            obstacles=_told(errors),
            notes=(f"the live database cannot be opened: {live.broken}",) if live.broken else (),
        )
        needs_backup = swap and live.can_open and not live.empty and not live.unchanged
        return Findings(plan, live.facts, errors, live.can_open, live.empty, needs_backup)

    def obstacles(self) -> list[RedclustError]:
        """What is in the way of a copy that is thrown away again."""
        with self.server.connect(autocommit=True) as connection:
            return self._common(connection, [], swap=False)[1]

    def jobs(self) -> int:
        """How many jobs pg_restore gets: as many as cores, and one where there is little to do."""
        if isinstance(self.source, Dump) and not self.source.parallel:
            return 1
        if self.request.jobs is not None:
            return self.request.jobs
        if self.made is not None and self.made.plain_bytes < _PARALLEL_FROM_BYTES:
            return 1
        return min(_MOST_JOBS, os.cpu_count() or 1)

    def _common(
        self, connection: Connection, roles: list[str], *, swap: bool
    ) -> tuple[dict[str, Any], list[RedclustError]]:
        """What every copy needs: fields of the plan, and what is in the way."""
        errors = obstacles.of_versions(self.made, connection.info.server_version // 10_000)
        errors += obstacles.of_rights(connection, self.name, roles, swap=swap)
        missing, more = obstacles.of_extensions(connection, self.made)
        errors += more
        data, log_bytes = obstacles.data_of(connection, self.server.target)
        remote = isinstance(self.source, Backup) and self.source.store.remote
        space, more = obstacles.of_space(
            self.made, self.room, jobs=self.jobs(), data=data, log_bytes=log_bytes, remote=remote
        )
        errors += more
        return {
            "server_version": connection.info.parameter_status("server_version") or "",
            "jobs": self.jobs(),
            "space": space,
            "missing_roles": tuple(roles),
            "missing_extensions": tuple(missing),
            "connected": (),
        }, errors

    def _live(self, connection: Connection) -> _Live:
        facts = attributes.read(connection, self.name)
        if facts is None:
            return _Live(None)
        try:
            session = self.live.connect(bulk=True, autocommit=True)
        except DatabaseUnreachable as error:
            return _Live(facts, empty=False, broken=str(error))
        with session:
            empty = looks.is_empty(session)
            since = looks.since(session, self.made.moment.at) if self.made else ()
            return _Live(facts, empty, since, not empty and self._has_fresh_backup(session))

    def _target(self, connection: Connection, now: datetime) -> tuple[str, list[RedclustError]]:
        into = self.request.into
        if into is None:
            return databases.restored_name(self.name, now), []
        if into == self.name:
            hint = "--swap replaces it, and keeps what it is now"
            return into, [Refused(f"{into} is the live database", hint=hint)]
        if databases.oid(connection, into) is not None:
            told = f"there is a database {into} already; a restore replaces none"
            return into, [Refused(told, hint="name a new one")]
        return into, []

    def _has_fresh_backup(self, connection: Connection) -> bool:
        identity = places.identity(connection)
        newest = next(iter(places.read(self.loaded).own()), None)
        return (
            newest is not None
            and newest.manifest is not None
            and newest.verified
            and newest.manifest.identity == identity
            and looks.unchanged_since(connection, newest.manifest)
        )


def tools(loaded: Loaded, target: Target, major: int) -> Tools:
    """pg_restore and psql of the server's own major version.

    Raises:
        ToolError: there are none; says where to get them.
    """
    own = loaded.settings.database.bin_dir
    bin_dir = own or (pgtools.wheel_bin_dir() if target.embedded else None)
    return pgtools.client_tools(bin_dir, major, "pg_restore")


def without_server(
    source: Source, own: Embedded, kept: Path, reason: str
) -> tuple[RestorePlan, list[RedclustError]]:
    """What can be known on the worst day, while there is no server to ask."""
    made = source.manifest if isinstance(source, Backup) else None
    errors = obstacles.of_versions(made, own.tools.major)
    space, more = obstacles.of_space(made, own.layout.home, jobs=1, data=own.layout.server)
    errors += more
    plan = RestorePlan(
        **_of_source(source),
        server_version=own.tools.version,
        schema_version=len(migrations()),
        mode="swap",
        live=DATABASE,
        target=DATABASE,
        kept_as=str(kept),
        jobs=1,
        space=space,
        missing_roles=(),
        missing_extensions=(),
        connected=(),
        since=(),
        safety_backup="impossible: the server does not start; its data is kept as it is",
        kept_databases=0,
        kept_bytes=0,
        obstacles=_told(errors),
        notes=(f"the data in {own.layout.data} cannot be used: {reason}",),
    )
    return plan, errors


def _of_source(source: Source) -> dict[str, Any]:
    """The fields of the plan that the source tells."""
    made = source.manifest if isinstance(source, Backup) else None
    entry = source.entry if isinstance(source, Backup) else None
    drilled = entry.evidence.newest(Level.RESTORE) if entry else None
    return {
        "source": source.where,
        "backup_at": made.moment.at if made else None,
        "backup_state": entry.state.value if entry else None,
        "backup_rows": made.rows if made else None,
        "backup_server": made.server_version if made else None,
        "backup_schema_version": made.schema_version if made else None,
        "expected_s": drilled.duration_s if drilled and drilled.ok else None,
    }


def _told(errors: Sequence[RedclustError]) -> tuple[Obstacle, ...]:
    return tuple(Obstacle(str(error), error.hint, error.exit_code) for error in errors)
