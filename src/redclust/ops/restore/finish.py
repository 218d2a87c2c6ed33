"""What makes a restored copy one that can be live: its schema, what is gone meanwhile, statistics, rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from redclust.db import attributes, schema, tombstones
from redclust.db.attributes import DatabaseFacts
from redclust.db.connect import Connection, Connector
from redclust.db.databases import name_of
from redclust.db.schema import State
from redclust.errors import RedclustError, SchemaMismatch
from redclust.ops.restore import live as looks
from redclust.ops.restore import quiet
from redclust.sql import query

#: By these what belongs to an account is found.
_TELLING = ("users", "subreddits", "crawl_jobs", "quarantine", "graph_nodes", "graph_nodes_before")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Migrations applied, and the rows changed because they hold what was deleted meanwhile, by step.

    ``left_undone``: what could not be erased, since tables are missing.
    """

    migrated: int
    erased: Mapping[str, int]
    left_undone: tuple[str, ...] = ()


def refresh(copy: Connector, live: Connector | None) -> Refreshed:
    """Migrate a copy of redclust's own schema, erase what ``live`` knows to be gone, lift an old pause.

    Another system's tables, and those of a newer redclust, are left as they are. Afterwards the statistics
    are new: a restored database has none.
    """
    with copy.connect(autocommit=True) as connection:
        state = schema.inspect(connection).state
    migrated = len(schema.migrate(copy)) if state in (State.BEHIND, State.EMPTY) else 0
    erased: Mapping[str, int] = {}
    missing: list[str] = []
    with copy.connect(bulk=True, autocommit=True) as connection:
        if state not in (State.FOREIGN, State.AHEAD):
            if live is not None and looks.has(connection, "tombstones"):
                _carry_over(live, connection)
            erased, missing = tombstones.apply_where_there(connection)
            if looks.has_queue(connection):
                quiet.lift(connection)
        connection.execute(query("db", "analyze_all"))
    return Refreshed(migrated, erased, _left_undone(missing))


def _left_undone(missing: Sequence[str]) -> tuple[str, ...]:
    """A missing table holds nothing that was deleted; but some tell whose the rows of others are."""
    if "tombstones" in missing:
        return ("what was deleted meanwhile was not erased: there is no table tombstones",)
    needed = [name for name in missing if name in _TELLING]
    if not needed:
        return ()
    return (f"of accounts that are gone not all was erased: there is no table {', '.join(needed)}",)


def require_ours(copy: Connector, where: str) -> None:
    """Refuse to make another system's tables, or a newer redclust's, the live database.

    Raises:
        SchemaMismatch: they are.
    """
    with copy.connect(autocommit=True) as connection:
        state = schema.inspect(connection).state
    if state is State.FOREIGN:
        raise SchemaMismatch(
            f"{where} holds another system's tables of these names",
            hint="restore it with --into NAME, then redclust import --from-database",
        )
    if state is State.AHEAD:
        raise SchemaMismatch(f"{where} was made by a newer redclust", hint="upgrade redclust")


def equip(server: Connector, copy: Connector, facts: DatabaseFacts | None, *, owner: bool) -> tuple[str, ...]:
    """Give a copy the owner, grants, settings and comment of ``facts``; what could not be set is told.

    Until now nobody else might connect to it.
    """
    name = name_of(copy)
    with server.connect(autocommit=True) as connection:
        if facts is None or facts.grants is None:
            statement = sql.SQL(query("databases", "grant_connect_to_all"))
            connection.execute(statement.format(name=sql.Identifier(name)))
        return attributes.apply(connection, name, facts, owner=owner) if facts else ()


def _carry_over(live: Connector, target: Connection) -> None:
    try:
        with live.connect(bulk=True, autocommit=True) as source:
            if looks.has(source, "tombstones"):
                tombstones.carry_over(source, target)
    except psycopg.OperationalError as error:
        raise RedclustError(f"what is deleted in the live database cannot be read: {error}") from error
