"""How the schema differs from what the migrations make: they are run once more, in a schema of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import errors as pg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.ops.integrity.finding import Found, Look, Skipped, first
from redclust.sql import migrations, query

_TEMPLATE = "redclust_template_of_schema"
State = Literal["missing", "different"]


_NO_PARENTHESES = str.maketrans("", "", "()")


@dataclass(frozen=True, slots=True)
class Drift:
    """One table, column, constraint, index, trigger or function that is not as the migrations make it."""

    kind: str
    table: str
    name: str
    state: State
    wanted: str

    def __str__(self) -> str:
        of = f" of {self.table}" if self.name != self.table and self.kind != "function" else ""
        return f"{self.kind} {self.name}{of} is {self.state}"


def schema_drift(look: Look) -> Found:
    """What the migrations made and is gone, or is another now; what was added is nobody's business."""
    with look.database.connect(bulk=True, autocommit=True, role="template") as connection:
        try:
            return first([str(one) for one in compare(connection)], look)
        except pg.InsufficientPrivilege as error:
            raise Skipped(f"{' '.join(str(error).split())} (GRANT CREATE ON DATABASE)") from None
        except (pg.ReadOnlySqlTransaction, pg.FeatureNotSupported) as error:
            raise Skipped(" ".join(str(error).split())) from None


def compare(connection: Connection) -> list[Drift]:
    """The differences; the session must be in autocommit, and nothing of the comparison stays.

    Raises:
        psycopg.errors.InsufficientPrivilege: this role may not make a schema in the database.
    """
    with connection.transaction(force_rollback=True):
        there = _describe(connection, "public")
        statement = sql.SQL(query("catalogs", "make_template_schema"))
        connection.execute(statement.format(schema=sql.Identifier(_TEMPLATE)))
        connection.execute(query("catalogs", "use_schema"), {"schema": _TEMPLATE})
        connection.execute(query("db", "create_migrations_table"))
        for migration in migrations():
            connection.execute(migration.text)
        wanted = _describe(connection, _TEMPLATE)
    gone = {table for (kind, table, _), _ in wanted.items() if kind == "table"} - {
        table for (kind, table, _), _ in there.items() if kind == "table"
    }
    return [
        Drift(kind, table, name, "different" if (kind, table, name) in there else "missing", definition)
        for (kind, table, name), definition in wanted.items()
        # Of a table that is gone, itself is enough.
        if not _same(kind, there.get((kind, table, name)), definition)
        and (kind == "table" or table not in gone)
    ]


def _same(kind: str, there: str | None, wanted: str) -> bool:
    """A function whose body is parsed comes out of a dump and restore with fewer parentheses."""
    if there is None or kind != "function":
        return there == wanted
    return there.translate(_NO_PARENTHESES) == wanted.translate(_NO_PARENTHESES)


def _describe(connection: Connection, schema: str) -> dict[tuple[str, str, str], str]:
    connection.execute(query("catalogs", "use_schema"), {"schema": schema})
    rows = connection.execute(query("catalogs", "describe"), {"schema": schema})
    return {(kind, table, name): definition for kind, table, name, definition in rows}
