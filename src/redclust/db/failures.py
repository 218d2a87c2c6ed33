"""What Postgres says, in the words and exit codes of redclust."""

from __future__ import annotations

import psycopg
from psycopg import errors as pg

from redclust.errors import DatabaseUnreachable, Locked, RedclustError, SchemaMismatch

_AGAIN = "what was committed stands; try again"
#: Kinds of errors, the first that fits counts: what they are to us, in which words, and what to do.
_KINDS: tuple[tuple[tuple[type[psycopg.Error], ...], type[RedclustError], str, str], ...] = (
    (
        (pg.InsufficientPrivilege,),
        DatabaseUnreachable,
        "Permission denied by the database",
        "the role needs rights on redclust's tables",
    ),
    (
        (pg.QueryCanceled,),
        DatabaseUnreachable,
        "timeout exceeded",
        "raise database.statement_timeout_ms (DB_STATEMENT_TIMEOUT_MS)",
    ),
    (
        (pg.UndefinedTable, pg.UndefinedColumn),
        SchemaMismatch,
        "the schema does not fit",
        "redclust db migrate --status",
    ),
    ((pg.DiskFull,), DatabaseUnreachable, "the database's disk is full", "free some space and try again"),
    ((pg.ReadOnlySqlTransaction,), DatabaseUnreachable, "the database is read-only", "is it a standby?"),
    (
        (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure),
        Locked,
        "another session is in the way",
        _AGAIN,
    ),
)


def in_words(error: Exception) -> RedclustError | None:
    """The foreseen failures of a server; None where the error is a bug of ours."""
    told = " ".join(str(error).split())
    for types, kind, words, hint in _KINDS:
        if isinstance(error, types):
            return kind(f"{words}: {told}", hint=hint)
    if isinstance(error, psycopg.OperationalError):
        # Class 57P and no code at all: the server or the network went away.
        lost = error.sqlstate is None or error.sqlstate.startswith("57P")
        what = "the database ended the connection" if lost else "the database cannot go on"
        return DatabaseUnreachable(f"{what}: {told}", hint=_AGAIN)
    return None
