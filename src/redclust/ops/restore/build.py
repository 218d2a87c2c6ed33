"""A copy from a source: an empty database, its roles, its contents, and the proof that all of it is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from redclust.db import attributes, contents, databases
from redclust.db.attributes import DatabaseFacts, Role
from redclust.db.connect import Connection, Connector
from redclust.errors import ArtefactUnusable
from redclust.ops.backup.manifest import Manifest
from redclust.ops.restore.fill import Filling
from redclust.ops.restore.source import Backup, Source
from redclust.ops.restore.watch import watching
from redclust.report import Progress
from redclust.sql import query

#: How many tables a message names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Built:
    """A copy whose rows are those of the manifest, or, of a dump without one, are counted only."""

    tables: int
    rows: int
    compared: bool
    seconds: Mapping[str, float]
    notes: tuple[str, ...]


def missing_roles(connection: Connection, source: Source) -> list[Role]:
    """The roles that a backup's contents belong to or are granted to, and that this server does not have."""
    if not isinstance(source, Backup):
        return []
    present = {role.name for role in attributes.roles(connection)}
    return [role for role in source.manifest.roles if role.concerned and role.name not in present]


def build(
    server: Connector,
    name: str,
    source: Source,
    how: Filling,
    *,
    facts: DatabaseFacts | None,
    roles: bool,
    progress: Progress,
) -> Built:
    """Make the database ``name`` and restore ``source`` into it; nobody else may connect before it is done.

    With ``roles`` those that are missing are made first, without passwords. Time is linear in the data; the
    counting at the end reads each table once.

    Raises:
        ArtefactUnusable: the source is damaged, or a table has other rows than its manifest says.
        ToolError: pg_restore or psql fails.
        psycopg.errors.InsufficientPrivilege: this role may not make databases, or roles.
    """
    notes: list[str] = []
    seconds: dict[str, float] = {}
    copy = Connector(server.target.on(name), server.settings, server.verb)
    manifest = source.manifest if isinstance(source, Backup) else None
    started_s = time.monotonic()
    with server.connect(bulk=True, autocommit=True) as connection:
        notes += databases.create(connection, name, facts)
        connection.execute(sql.SQL(query("databases", "close_to_others")).format(name=sql.Identifier(name)))
        if roles:
            notes += _make_roles(connection, source)
    rows = manifest.rows if manifest else 0
    with progress.task("restoring", rows or None, "rows") as task, watching(copy, task, rows):
        how.fill(copy, source)
    seconds["restore_s"] = time.monotonic() - started_s
    started_s = time.monotonic()
    with progress.task("counting"):
        counted = contents.count_now(copy)
    if manifest is not None:
        compare(manifest, counted, source.where)
    seconds["counting_s"] = time.monotonic() - started_s
    return Built(len(counted), sum(counted.values()), manifest is not None, seconds, tuple(notes))


def compare(manifest: Manifest, counted: Mapping[str, int], where: str) -> None:
    """Hold a copy's rows against those that were counted in the dump's own snapshot.

    Raises:
        ArtefactUnusable: a table is missing or has other rows; the first ones are named with both numbers.
    """
    wrong = [
        f"{table.label} has {counted.get(table.label, 'no table')} instead of {table.rows}"
        for table in manifest.tables
        if counted.get(table.label) != table.rows
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ArtefactUnusable(
            f"{where} does not restore to what was dumped: {', '.join(wrong[:_NAMED])}{more}",
            hint="redclust backup ls shows other backups; redclust backup verify NAME",
        )


def _make_roles(connection: Connection, source: Source) -> list[str]:
    notes: list[str] = []
    present = [role.name for role in attributes.roles(connection)]
    for role in missing_roles(connection, source):
        attributes.create_role(connection, role, present)
        present.append(role.name)
        lost = [
            word
            for word, had in (
                ("superuser", role.superuser),
                ("createdb", role.createdb),
                ("createrole", role.createrole),
            )
            if had
        ]
        rights = f", and without {', '.join(lost)}" if lost else ""
        notes.append(f"the role {role.name} was made, without a password{rights}")
    return notes
