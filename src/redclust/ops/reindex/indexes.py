"""The indexes of a database, chosen by name, and those that are leftovers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from redclust.db.connect import Connection
from redclust.errors import DatabaseUnreachable, UsageError
from redclust.sql import query

NOT_PERMITTED = "this role neither owns the table nor may maintain it"
_TRANSIENT = re.compile(r"_cc(new|old)\d*$")


@dataclass(frozen=True, slots=True)
class Index:
    """One index; ``table`` and ``may`` are of the table that a TOAST table's index is for in the end.

    ``may`` is whether this role may build it anew, ``nameable`` whether it may name it. ``size_bytes`` is
    None where another session holds it exclusively.
    """

    oid: int
    schema: str
    name: str
    table: str
    relation_oid: int
    toast: bool
    valid: bool
    exclusion: bool
    may: bool
    nameable: bool
    size_bytes: int | None

    @property
    def label(self) -> str:
        """The name as a person types it: the schema only where it is not ``public``."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def transient(self) -> bool:
        """Whether it is what REINDEX CONCURRENTLY works with, and nobody uses."""
        return not self.valid and _TRANSIENT.search(self.name) is not None


def read(connection: Connection) -> list[Index]:
    """All indexes of tables of the application, by table."""
    return [Index(*row) for row in connection.execute(query("reindex", "indexes"))]


def refuse_without_rights(chosen: Sequence[Index]) -> None:
    """Say at once where nothing can be done.

    Raises:
        DatabaseUnreachable: this role may build none of them anew.
    """
    if chosen and not any(one.may for one in chosen):
        raise DatabaseUnreachable(
            f"Permission denied by the database: {NOT_PERMITTED}",
            hint="run it as the tables' owner, or (Postgres 17 and newer) GRANT pg_maintain TO this role",
        )


def named(there: Sequence[Index], names: Sequence[str]) -> list[Index]:
    """The indexes of these names, and all of the tables of these names, each once.

    Raises:
        UsageError: a name is neither.
    """
    chosen: dict[int, Index] = {}
    for name in names:
        plain = name.removeprefix("public.")
        found = [one for one in there if plain in (one.label, one.table)]
        if not found:
            tables = ", ".join(sorted({one.table for one in there}))
            raise UsageError(f"there is no table or index {name}", hint=f"the tables are {tables}")
        chosen |= {one.oid: one for one in found}
    return list(chosen.values())


def unfinished(connection: Connection) -> list[str]:
    """The names of invalid indexes that are not leftovers: somebody's CREATE INDEX CONCURRENTLY failed."""
    return [one.label for one in read(connection) if not one.valid and not one.transient]
