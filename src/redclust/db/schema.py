"""The state of a database's schema, and the migrations that bring it up to date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import psycopg

from redclust.db import locks
from redclust.db.connect import Connection, Connector
from redclust.db.failures import in_words
from redclust.db.locks import LockName
from redclust.errors import RedclustError, SchemaMismatch
from redclust.sql import Migration, migrations, query


class State(Enum):
    """What kind of schema a database has."""

    CURRENT = "current"
    EMPTY = "empty"
    BEHIND = "behind"
    AHEAD = "ahead"
    #: Tables of the same names that redclust did not make: the older system's.
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Applied:
    version: int
    name: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Schema:
    """What :func:`inspect` found."""

    state: State
    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]


def inspect(connection: Connection) -> Schema:
    """Compare a database with the migrations of this version; changes nothing.

    Raises:
        SchemaMismatch: a migration that was applied has been edited since (named).
    """
    row = connection.execute(query("db", "our_tables")).fetchone()
    has_migrations, tables = row or (0, 0)
    if not has_migrations:
        state = State.FOREIGN if tables else State.EMPTY
        return Schema(state, (), migrations())
    applied = tuple(Applied(*r) for r in connection.execute(query("db", "applied_migrations")))
    known = {m.version: m for m in migrations()}
    for one in applied:
        ours = known.get(one.version)
        if ours is not None and ours.checksum != one.checksum:
            raise SchemaMismatch(
                f"migration {one.version:04}_{one.name}.sql was edited after it was applied",
                hint="restore that file; a change of the schema is a new migration",
            )
    if any(one.version not in known for one in applied):
        return Schema(State.AHEAD, applied, ())
    pending = tuple(m for m in migrations() if m.version not in {a.version for a in applied})
    return Schema(State.BEHIND if pending else State.CURRENT, applied, pending)


def require(connection: Connection, described: str) -> None:
    """Refuse to work on a schema that is not this version's.

    Raises:
        SchemaMismatch: missing, old, newer, or the older system's; the hint names the command.
    """
    schema = inspect(connection)
    if schema.state is State.FOREIGN:
        raise SchemaMismatch(
            f"the database holds another system's tables of these names; nothing was touched ({described})",
            hint="redclust import --from-database URL brings that data into a database of redclust's own",
        )
    if schema.state is State.AHEAD:
        raise SchemaMismatch(
            f"the schema is newer (version {schema.applied[-1].version}) than this redclust knows "
            f"({len(migrations())})",
            hint="upgrade redclust",
        )
    if schema.state is not State.CURRENT:
        found = "missing" if schema.state is State.EMPTY else f"at version {len(schema.applied)}"
        raise SchemaMismatch(
            f"the schema is {found}, this redclust needs version {len(migrations())} ({described})",
            hint="redclust db migrate",
        )


def migrate(connector: Connector, *, wait_s: float = 120) -> tuple[Migration, ...]:
    """Apply what is pending, each migration in one transaction; those applied are given back.

    Of two starters the second one waits, and finds nothing to do.

    Raises:
        Locked: a backup, or whatever else works on the database, does not end within ``wait_s``.
        SchemaMismatch: the database is another system's, newer than this version, or has an edited file.
        DatabaseUnreachable: this role may not make tables, or the connection ends.
        RedclustError: a migration fails; its transaction is rolled back and those before it stand.
    """
    done: list[Migration] = []
    with (
        locks.hold(connector, LockName.OPERATIONS, wait_s=wait_s),
        connector.connect(bulk=True, role="migrate") as connection,
    ):
        schema = inspect(connection)
        if schema.state in (State.FOREIGN, State.AHEAD):
            require(connection, connector.target.describe())
        connection.commit()
        for migration in schema.pending:
            try:
                with connection.transaction():
                    connection.execute(query("db", "create_migrations_table"))
                    connection.execute(migration.text)
                    connection.execute(
                        query("db", "record_migration"),
                        {
                            "version": migration.version,
                            "name": migration.name,
                            "checksum": migration.checksum,
                        },
                    )
            except psycopg.Error as error:
                if (told := in_words(error)) is not None:
                    raise told from error
                raise RedclustError(
                    f"migration {migration.version:04}_{migration.name}.sql failed and was rolled back: "
                    f"{' '.join(str(error).split())}"
                ) from error
            done.append(migration)
    return tuple(done)
