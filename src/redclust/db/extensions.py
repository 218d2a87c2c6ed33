"""Extensions that only a superuser may make, used without leaving them behind.

amcheck and pgstattuple in the application's database would break a restore as its owner. Where one is
installed it is used; else it is made inside a transaction that is rolled back, and no other session sees it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from psycopg import errors as pg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.sql import query

_SCHEMA = "redclust_borrowed"


class Unavailable(Exception):
    """This role cannot use the extension on this server; the message says why, and what would help."""


@contextmanager
def borrow(connection: Connection, extension: str) -> Generator[sql.Identifier]:
    """Inside the block, which is one transaction rolled back in the end, the schema of its functions.

    Keep it short: a transaction that has made something holds back what a vacuum may remove. The session
    must be in autocommit, and should have a lock_timeout: two who borrow at once wait for each other.

    Raises:
        Unavailable: not installed and this role may not make it, or it may not run its functions.
    """
    installed = schema_of(connection, extension)
    with connection.transaction(force_rollback=True):
        if installed is None:
            schema = sql.Identifier(_SCHEMA)
            names = {"schema": schema, "extension": sql.Identifier(extension)}
            try:
                connection.execute(sql.SQL(query("extensions", "make_schema")).format(schema=schema))
                connection.execute(sql.SQL(query("extensions", "make")).format(**names))
            except pg.InsufficientPrivilege as error:
                raise _refused(extension) from error
        yield sql.Identifier(installed or _SCHEMA)


def schema_of(connection: Connection, extension: str) -> str | None:
    """Where an extension is installed; None where it is not, but could be borrowed.

    Raises:
        Unavailable: as :func:`borrow`, as far as it can be known beforehand.
    """
    row = connection.execute(query("extensions", "state"), {"extension": extension}).fetchone()
    there, schema, may_run, may_make = row or (False, None, False, False)
    if schema is not None:
        if not may_run:
            raise Unavailable(
                f"{extension} is installed, but this role may not run its functions "
                "(GRANT pg_stat_scan_tables, or EXECUTE on them)"
            )
        return str(schema)
    if not there:
        raise Unavailable(f"this server does not have {extension} (its contrib package)")
    if not may_make:
        raise _refused(extension)
    return None


def _refused(extension: str) -> Unavailable:
    return Unavailable(f"{extension} is not installed here, and only a superuser may borrow it")
