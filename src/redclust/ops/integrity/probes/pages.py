"""What is on the pages themselves, by amcheck, which is not left in the database."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.db import extensions
from redclust.db.connect import Connection
from redclust.db.extensions import Unavailable
from redclust.ops.integrity.finding import Found, Look, Skipped
from redclust.sql import query

_LOCK_WAIT_MS = 5_000
_UNIQUE_FROM_MAJOR = 17
#: Gone, or taken away by somebody else, in the meantime.
_GONE = (pg.UndefinedObject, pg.UndefinedTable, pg.LockNotAvailable)
_DAMAGE = (pg.InternalError, pg.OperationalError)


def btrees(look: Look) -> Found:
    """B-trees whose order is broken; with ``deep`` those that lack a row's entry, or hold a key twice."""

    def check(connection: Connection, schema: sql.Identifier, relation: int) -> tuple[int, str]:
        newer = connection.info.server_version // 10_000 >= _UNIQUE_FROM_MAJOR
        text = query("catalogs", "check_unique_btree" if newer else "check_btree")
        connection.execute(sql.SQL(text).format(schema=schema), {"relation": relation, "deep": look.deep})
        return 0, ""

    return _each(look, "btrees", check)


def heaps(look: Look) -> Found:
    """Tables with pages or values that cannot be."""

    def check(connection: Connection, schema: sql.Identifier, relation: int) -> tuple[int, str]:
        statement = sql.SQL(query("catalogs", "check_heap")).format(schema=schema)
        row = connection.execute(statement, {"relation": relation, "deep": look.deep}).fetchone()
        told, problems = row or (None, 0)
        return int(problems), str(told)

    return _each(look, "heaps", check)


def _each(
    look: Look, listing: str, check: Callable[[Connection, sql.Identifier, int], tuple[int, str]]
) -> Found:
    """Look at each relation on a session of its own: amcheck may have to be made first, then rolled back."""
    broken, damaged, passed_by = 0, list[str](), list[str]()
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
                        if _is_about_the_session(connection, error):
                            raise
                        problems, told = 1, " ".join(str(error).split())
                    broken += problems
                    damaged += [f"{name} of {table}: {told}" if name != table else f"{name}: {told}"] * bool(
                        problems
                    )
        except (Unavailable, pg.LockNotAvailable) as error:
            raise Skipped(" ".join(str(error).split())) from None
    if passed_by and not damaged:
        raise Skipped(f"locked by others, or gone in between: {', '.join(passed_by)}")
    return Found(broken, tuple(damaged[: look.samples]))


def _is_about_the_session(connection: Connection, error: psycopg.Error) -> bool:
    """Whether it is the connection that ended and not a page that is damaged."""
    return connection.broken or isinstance(error, pg.QueryCanceled | pg.AdminShutdown)
