"""What a backup records of the database, read in one transaction whose snapshot the dump is given."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from redclust import duration
from redclust.db import attributes
from redclust.db.attributes import DatabaseFacts, Role
from redclust.db.connect import Connection, Connector
from redclust.errors import DatabaseUnreachable
from redclust.ops.backup import places
from redclust.ops.backup.manifest import Extension, Identity, Moment, Table
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Sized:
    """A table before its rows are counted; ``guessed_rows`` is -1 where nobody ever did."""

    schema: str
    name: str
    size_bytes: int
    persistence: str
    guessed_rows: int
    oid: int

    def counted(self, rows: int) -> Table:
        return Table(self.schema, self.name, rows, self.size_bytes, self.persistence)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the catalogs tell in the snapshot."""

    snapshot: str
    identity: Identity
    moment: Moment
    server_version: str
    schema_version: int | None
    tables: tuple[Sized, ...]
    database: DatabaseFacts
    extensions: tuple[Extension, ...]
    roles: tuple[Role, ...]


@contextmanager
def exported_snapshot(connector: Connector, *, lock_wait: str) -> Generator[tuple[Connection, str]]:
    """A session that holds one snapshot until the block ends, and the snapshot's name for pg_dump.

    Rows that a policy hides raise an error there instead of being left out of counts.
    """
    with connector.connect(bulk=True, role="snapshot") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        limits = {
            "lock_timeout": f"{round(duration.seconds(lock_wait) * 1000)}",
            # It waits for pg_dump, which may take hours.
            "idle_in_transaction_session_timeout": "0",
            "row_security": "off",
        }
        for name, value in limits.items():
            connection.execute(query("db", "set_parameter"), {"name": name, "value": value})
        connection.commit()
        row = connection.execute(query("backup", "export_snapshot")).fetchone()
        yield connection, str(row[0] if row else "")
        with suppress(psycopg.Error):  # nothing was written: how it ends does not matter
            connection.rollback()


def read(connection: Connection, snapshot: str) -> Facts:
    """Read the catalogs; no table is scanned.

    Raises:
        DatabaseUnreachable: this role may not read everything, or a row policy would hide rows from it.
    """
    identity = places.identity(connection)
    rows = connection.execute(query("backup", "tables")).fetchall()
    _require_all_readable(connection, rows)
    database = attributes.read(connection, identity.database)
    moment = connection.execute(query("backup", "moment")).fetchone()
    if database is None or moment is None:
        raise DatabaseUnreachable(f"the database {identity.database} went away")
    version = connection.info.parameter_status("server_version") or ""
    return Facts(
        snapshot=snapshot,
        identity=identity,
        moment=Moment(*moment),
        server_version=version.split(" ")[0],
        schema_version=_schema_version(connection),
        tables=tuple(Sized(*row[:6]) for row in rows),
        database=database,
        extensions=tuple(Extension(*row) for row in connection.execute(query("backup", "extensions"))),
        roles=attributes.roles(connection),
    )


def count(connection: Connection, table: Sized) -> int:
    """Exact rows in the snapshot: one scan."""
    statement = sql.SQL(query("databases", "count_rows"))
    row = connection.execute(statement.format(table=sql.Identifier(table.schema, table.name))).fetchone()
    return int(row[0]) if row else 0


def _require_all_readable(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    closed = [f"{row[0]}.{row[1]}" for row in rows if not row[6]]
    closed += [str(row[0]) for row in connection.execute(query("backup", "unreadable_sequences"))]
    if closed:
        raise DatabaseUnreachable(
            f"Permission denied: this role may not read {_some(closed)}, and a backup without them is none",
            hint="back up as the database's owner, or GRANT pg_read_all_data TO the role",
        )
    hidden = [f"{row[0]}.{row[1]}" for row in rows if row[7]]
    if hidden:
        raise DatabaseUnreachable(
            f"Permission denied: a row policy hides rows of {_some(hidden)} from this role",
            hint="back up as a role with BYPASSRLS, or as the owner (without FORCE ROW LEVEL SECURITY)",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _schema_version(connection: Connection) -> int | None:
    row = connection.execute(query("db", "our_tables")).fetchone()
    if row is None or not row[0]:
        return None
    row = connection.execute(query("backup", "newest_migration")).fetchone()
    return None if row is None or row[0] is None else int(row[0])
