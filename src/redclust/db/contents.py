"""How many rows a database has, table by table: what a copy is compared with."""

from __future__ import annotations

import psycopg
from psycopg import sql

from redclust.db.connect import Connection, Connector
from redclust.sql import query


def tables(connection: Connection) -> list[tuple[str, str]]:
    """Schema and name of every table, those of extensions left out."""
    return [(str(s), str(t)) for s, t in connection.execute(query("databases", "tables_with_rows"))]


def count_rows(connection: Connection) -> dict[str, int]:
    """Exact rows of every table as this transaction sees it, by ``schema.table``.

    One scan of each table. The caller's transaction decides what is seen; in one that is REPEATABLE READ
    the counts are of one moment.
    """
    found: dict[str, int] = {}
    for schema, table in tables(connection):
        statement = sql.SQL(query("databases", "count_rows"))
        row = connection.execute(statement.format(table=sql.Identifier(schema, table))).fetchone()
        found[f"{schema}.{table}"] = int(row[0]) if row else 0
    return found


def count_now(connector: Connector) -> dict[str, int]:
    """Exact rows of every table at one moment; see :func:`count_rows`."""
    with connector.connect(bulk=True) as connection:
        connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        return count_rows(connection)
