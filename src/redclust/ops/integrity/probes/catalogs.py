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


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence that gives a number next which is taken already."""

    name: str
    table: str
    column: str
    highest: int
    following: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column}: {self.highest} is there, {self.following} comes next"

    def identifiers(self) -> dict[str, sql.Identifier]:
        """What queries about it are composed with."""
        names = {"sequence": self.name, "table": self.table, "column": self.column}
        return {name: sql.Identifier(value) for name, value in names.items()}


def sequences_behind(connection: Connection) -> list[Sequence]:
    """Sequences that will give a number which a row has already."""
    behind: list[Sequence] = []
    for name, table, column in connection.execute(query("catalogs", "sequences")).fetchall():
        one = Sequence(name, table, column, 0, 0)
        statement = sql.SQL(query("catalogs", "sequence_state")).format(**one.identifiers())
        highest, following = connection.execute(statement).fetchone() or (None, 0)
        if highest is not None and following <= highest:
            behind.append(Sequence(name, table, column, highest, following))
    return behind


def sequences(look: Look) -> Found:
    """The same, in words."""
    return first([str(one) for one in sequences_behind(look.moment.connection)], look)


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
