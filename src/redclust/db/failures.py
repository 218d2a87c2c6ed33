"""What Postgres says, in the words and exit codes of redclust."""

from __future__ import annotations

import psycopg
from psycopg import errors as pg

from redclust.errors import DatabaseUnreachable, RedclustError, SchemaMismatch


def in_words(error: Exception) -> RedclustError | None:
    """The foreseen failures of a server; None where the error is a bug of ours."""
    told = " ".join(str(error).split())
    if isinstance(error, pg.InsufficientPrivilege):
        return DatabaseUnreachable(
            f"Permission denied by the database: {told}", hint="the role needs rights on redclust's tables"
        )
    if isinstance(error, pg.QueryCanceled):
        return DatabaseUnreachable(
            f"timeout exceeded: {told}", hint="raise database.statement_timeout_ms (DB_STATEMENT_TIMEOUT_MS)"
        )
    if isinstance(error, (pg.UndefinedTable, pg.UndefinedColumn)):
        return SchemaMismatch(told, hint="redclust db migrate --status")
    if isinstance(error, pg.DiskFull):
        return DatabaseUnreachable(f"the database's disk is full: {told}", hint="free some space and try again")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnreachable(
            f"the database ended the connection: {told}", hint="what was committed stands; try again"
        )
    return None
