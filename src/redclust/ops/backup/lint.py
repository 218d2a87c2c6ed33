"""Whether a dump of this database would restore: what pg_dump carries along without a word."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Finding:
    """``fails`` where a restore would end with errors; otherwise it would go unnoticed."""

    text: str
    fails: bool


def catalogs(connection: Connection) -> list[Finding]:
    """Invalid indexes, disabled triggers, unlogged tables and the like; no table is scanned."""
    rows = connection.execute(query("backup", "lint"))
    return [Finding(f"{kind}: {what}", bool(fails)) for kind, what, fails in rows]


def orphans(connection: Connection) -> tuple[list[Finding], list[str]]:
    """Rows that break a foreign key which counts as valid, and the keys that could not be checked.

    A server lets them in under ``session_replication_role = replica`` and never looks again; their restore
    fails and leaves the key out. One anti-join a key, linear in both tables.
    """
    found: list[Finding] = []
    skipped: list[str] = []
    for row in connection.execute(query("backup", "foreign_keys")).fetchall():
        name, schema, table, other_schema, other, columns, other_columns = row
        statement = sql.SQL(query("backup", "count_orphans")).format(
            table=sql.Identifier(schema, table),
            parent=sql.Identifier(other_schema, other),
            columns=_of("one", columns),
            key=_of("other", other_columns),
        )
        what = f"{name} of {schema}.{table}"
        try:
            with connection.transaction():
                counted = connection.execute(statement).fetchone()
        except psycopg.errors.QueryCanceled:
            skipped.append(f"foreign key {what} was not checked: timeout exceeded")
            continue
        if counted and counted[0]:
            told = f"{counted[0]} rows break the foreign key {what}: restoring it fails"
            found.append(Finding(told, fails=True))
    return found, skipped


def _of(alias: str, columns: list[str]) -> sql.Composed:
    return sql.Composed([sql.Identifier(alias, column) for column in columns]).join(", ")
