"""Where benchmarks are run: in a database that is dropped at their end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from psycopg import sql

from redclust.db import databases, schema
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.sql import query


@contextmanager
def throw_away(connector: Connector) -> Generator[Database]:
    """A migrated database on the server of ``connector``; dropped when the block ends."""
    name = f"redclust_benchmark_{token_hex(4)}"
    with connector.connect(autocommit=True, bulk=True) as connection:
        databases.create(connection, name, None)
        try:
            own = Connector(connector.target.on(name), connector.settings, connector.verb)
            schema.migrate(own)
            yield Database(own)
        finally:
            databases.drop(connection, name)


def on(name: str, statement: str) -> sql.Composed:
    """A query of the benchmarks with its table's or database's name."""
    return sql.SQL(query("benchmark", statement)).format(name=sql.Identifier(name))


def save(connection: Connection, table: str, folder: Path) -> int:
    """A table's rows into a file of its name, as binary COPY has them; how many."""
    with (folder / table).open("wb") as file, connection.cursor() as cursor:
        with cursor.copy(on(table, "copy_out")) as copy:
            for block in copy:
                file.write(block)
        return cursor.rowcount


def load(connection: Connection, table: str, folder: Path) -> None:
    """The same rows back into the table."""
    with (folder / table).open("rb") as file, connection.cursor().copy(on(table, "copy_in")) as copy:
        while block := file.read(1 << 20):
            copy.write(block)
