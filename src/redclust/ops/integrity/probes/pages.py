"""What is on the pages themselves, by amcheck, which is not left in the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from redclust.db import extensions
from redclust.db.connect import Connection
from redclust.db.extensions import Unavailable
from redclust.ops.integrity.finding import Found, Look, Skipped
from redclust.sql import query

_LOCK_WAIT_MS = 5_000
#: Gone, or taken away by somebody else, in the meantime.
_GONE = (pg.UndefinedObject, pg.UndefinedTable, pg.LockNotAvailable)
_DAMAGE = (pg.InternalError, pg.OperationalError)


@dataclass(frozen=True, slots=True)
class Damage:
    """One relation that is damaged: how much of it, and the first in words."""

    relation: str
    table: str
    problems: int
    told: str

    def __str__(self) -> str:
        of = "" if self.relation == self.table else f" of {self.table}"
        return f"{self.relation}{of}: {self.told}"


def btrees(look: Look) -> Found:
    """B-trees whose order is broken; with ``deep`` those that lack a row's entry."""
    return _found(look, damaged_btrees(look))


def heaps(look: Look) -> Found:
    """Tables with pages or values that cannot be."""
    return _found(look, damaged_heaps(look))


def damaged_btrees(look: Look) -> list[Damage]:
    """The same, one by one.

    Raises:
        Skipped: amcheck cannot be used here, or what was not damaged could not all be looked at.
    """

    def check(connection: Connection, schema: sql.Identifier, relation: int) -> tuple[int, str]:
        statement = sql.SQL(query("reindex", "check_index")).format(schema=schema)
        connection.execute(statement, {"index": relation, "heapallindexed": look.deep})
        return 0, ""

    return _each(look, "btrees", check)


def damaged_heaps(look: Look) -> list[Damage]:
    """The same, one by one.

    Raises:
        Skipped: as :func:`damaged_btrees`.
    """

    def check(connection: Connection, schema: sql.Identifier, relation: int) -> tuple[int, str]:
        statement = sql.SQL(query("catalogs", "check_heap")).format(schema=schema)
        row = connection.execute(statement, {"relation": relation, "deep": look.deep}).fetchone()
        told, problems = row or (None, 0)
        return int(problems), str(told)

    return _each(look, "heaps", check)


def _found(look: Look, damaged: list[Damage]) -> Found:
    return Found(sum(one.problems for one in damaged), tuple(map(str, damaged[: look.samples])))


def _each(
    look: Look, listing: str, check: Callable[[Connection, sql.Identifier, int], tuple[int, str]]
) -> list[Damage]:
    """Look at each relation on a session of its own: amcheck may have to be made first, then rolled back."""
    damaged, passed_by = list[Damage](), list[str]()
    with look.database.connect(bulk=True, autocommit=True, role="amcheck") as connection:
        relations = connection.execute(query("catalogs", listing)).fetchall()
        connection.execute(query("catalogs", "limit_lock_waits"), {"limit_ms": _LOCK_WAIT_MS})
        try:
            with extensions.borrow(connection, "amcheck") as schema:
                for oid, name, table, _ in relations:
                    look.task.note(name)
                    try:
                        with connection.transaction():
                            problems, told = check(connection, schema, oid)
                    except _GONE:
                        passed_by.append(name)
                        continue
                    except _DAMAGE as error:
                        if connection.broken or isinstance(error, pg.QueryCanceled | pg.AdminShutdown):
                            raise
                        problems, told = 1, " ".join(str(error).split())
                    if problems:
                        damaged.append(Damage(name, table, problems, told))
        except (Unavailable, pg.LockNotAvailable) as error:
            raise Skipped(" ".join(str(error).split())) from None
    if passed_by and not damaged:
        raise Skipped(f"locked by others, or gone in between: {', '.join(passed_by)}")
    return damaged
