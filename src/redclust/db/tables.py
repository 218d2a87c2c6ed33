"""The tables of a database and what the server's own figures say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from redclust.db.connect import Connection
from redclust.errors import UsageError
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its TOAST table and indexes.

    ``size_bytes`` is None where another session holds it exclusively: asking would wait for that one.
    ``live_rows`` and ``dead_rows`` are the server's running counts. ``may_maintain``: this role may vacuum
    and reindex it. ``vacuums`` and ``analyzes`` count those by hand, since the statistics were reset.
    """

    oid: int
    schema: str
    name: str
    catalog: bool
    may_maintain: bool
    size_bytes: int | None
    live_rows: int
    dead_rows: int
    vacuumed_at: datetime | None
    analyzed_at: datetime | None
    vacuums: int
    analyzes: int

    @property
    def label(self) -> str:
        """The name as a person types it: the schema only where it is not ``public``."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


def tables(connection: Connection, *, catalogs: bool = False) -> list[Table]:
    """The tables of this database by name, the system's own last if they are wanted; temporary ones not."""
    rows = connection.execute(query("tables", "tables"), {"relation": None, "catalogs": catalogs})
    return [Table(*row) for row in rows]


def table(connection: Connection, relation: int) -> Table | None:
    """One table anew; None where it is gone."""
    rows = connection.execute(query("tables", "tables"), {"relation": relation, "catalogs": True})
    found = [Table(*row) for row in rows]
    return found[0] if found else None


def named(there: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """The tables of these names, each once, in the order of the names; ``public.`` may be left out.

    Raises:
        UsageError: a name is not that of a table.
    """
    by_name = {f"{one.schema}.{one.name}": one for one in there} | {one.label: one for one in there}
    for name in names:
        if name not in by_name:
            labels = ", ".join(one.label for one in there if not one.catalog)
            raise UsageError(f"there is no table {name}", hint=f"the tables are {labels}")
    return list({by_name[name].oid: by_name[name] for name in names}.values())
