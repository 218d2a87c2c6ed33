"""Sequences, foreign keys, and what the server counts of pages that failed."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from redclust.db.connect import Connection
from redclust.ops.integrity.catalogue import Rows
from redclust.ops.integrity.finding import Found, Look, Skipped, first
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class ForeignKey(Rows):
    """The rows of a table that a foreign key is broken by."""

    name: str = ""
    columns: tuple[str, ...] = ()
    referred: str = ""
    referred_columns: tuple[str, ...] = ()

    def identifiers(self) -> dict[str, sql.Composable]:
        """What the query is composed with."""
        named = sql.Composed([sql.Identifier("t", name) for name in self.columns]).join(", ")
        there = sql.Composed([sql.Identifier("r", name) for name in self.referred_columns]).join(", ")
        own = {"ours": named, "theirs": there, "parent": sql.Identifier(self.referred)}
        return {**Rows.identifiers(self), **own}


def keys_of(connection: Connection) -> list[ForeignKey]:
    """The foreign keys of the application's tables."""
    return [
        ForeignKey(
            table,
            "foreign_key_broken",
            tuple(key or columns),
            name=name,
            columns=tuple(columns),
            referred=referred,
            referred_columns=tuple(referred_columns),
        )
        for name, table, referred, columns, referred_columns, key in connection.execute(
            query("catalogs", "foreign_keys")
        )
    ]


def foreign_keys(look: Look) -> Found:
    """Rows that break a foreign key, whatever the key says of itself."""
    connection = look.moment.connection
    rows, sample = 0, list[str]()
    for key in keys_of(connection):
        look.task.note(key.name)
        statement = sql.SQL(query("integrity", "sample")).format(found=key.found())
        found = connection.execute(statement, look.values()).fetchall()
        rows += int(found[0][1]) if found else 0
        sample += [f"{key.name}: {one}" for one, _ in found]
    return Found(rows, tuple(sample[: look.samples]))


def sequences(look: Look) -> Found:
    """Sequences that will give a number which a row has already."""
    connection = look.moment.connection
    behind: list[str] = []
    for sequence, table, column in connection.execute(query("catalogs", "sequences")).fetchall():
        names = {"sequence": sequence, "table": table, "column": column}
        identifiers = {name: sql.Identifier(value) for name, value in names.items()}
        statement = sql.SQL(query("catalogs", "sequence_state")).format(**identifiers)
        highest, following = connection.execute(statement).fetchone() or (None, 0)
        if highest is not None and following <= highest:
            behind.append(f"{table}.{column}: {highest} is there, {following} comes next")
    return first(behind, look)


def checksums(look: Look) -> Found:
    """Pages that came from the disk with another checksum than they were written with."""
    row = look.moment.connection.execute(query("catalogs", "checksum_failures")).fetchone()
    failures, at, known = row or (None, None, 0)
    if failures is None:
        raise Skipped("the server keeps no checksums of its pages")
    # Since the statistics were reset it counts from 0 again.
    new = failures - known if failures >= known else failures
    if not new:
        return Found()
    return Found(new, (f"the last at {at:%Y-%m-%d %H:%M:%S} UTC",))
