"""What the runs of ``backup now`` since the last good one failed of, kept at the place of the backups."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from redclust.db.connect import Connector
from redclust.db.failures import in_words
from redclust.errors import DatabaseUnreachable, Locked, RedclustError, ToolError
from redclust.ops.backup import signed
from redclust.ops.backup.store import Store
from redclust.sql import query

#: What pg_dump says, what that is to us, and what to do.
_WORDS: tuple[tuple[tuple[str, ...], type[RedclustError], str, str], ...] = (
    (
        ("lock timeout",),
        Locked,
        "a table is locked by another session",
        "wait for it, or raise backup.table_lock_wait; redclust db locks shows who",
    ),
    (
        ("permission denied", "row-level security"),
        DatabaseUnreachable,
        "Permission denied by the database",
        "back up as the database's owner, or as a role with pg_read_all_data and BYPASSRLS",
    ),
    (
        (
            "server closed the connection",
            "terminating connection",
            "connection to server",
            "could not connect",
        ),
        DatabaseUnreachable,
        "the database ended the connection",
        "try again when the server is up",
    ),
    (
        ("invalid page", "could not read block", "missing chunk"),
        ToolError,
        "the database is damaged",
        "keep the older backups (backup pin), then redclust integrity check",
    ),
)


@dataclass(frozen=True, slots=True)
class Failures:
    """The runs that failed since the last backup that succeeded; ``error`` is of the newest."""

    count: int
    since: datetime
    at: datetime
    error: str
    exit_code: int


def told(error: RedclustError) -> RedclustError:
    """What a failed pg_dump said, in our words and exit codes; one with a hint is in words already."""
    if error.hint:
        return error
    text = str(error)
    for marks, kind, words, hint in _WORDS:
        if any(mark in text for mark in marks):
            return kind(f"{words}: {text}", hint=hint)
    return error


def locked(connector: Connector, waited: str) -> Locked:
    """A table could not be had in time; names who keeps it."""
    blockers = ""
    with suppress(psycopg.Error, RedclustError), connector.connect(autocommit=True) as connection:
        rows = connection.execute(query("backup", "lock_blockers"))
        blockers = ", ".join(_blocker(*row) for row in rows)
    return Locked(
        f"a table is locked by another session for longer than {waited}: {blockers or 'it has ended since'}",
        hint="wait for it, or raise backup.table_lock_wait",
    )


def _blocker(pid: int, application: str, since: datetime | None, table: str) -> str:
    at = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"{application or 'a session'} (server process {pid}) holds {table}{at}"


def read(store: Store, source: str) -> Failures | None:
    """The failures of the database at ``source`` since its last good backup; None where there are none."""
    try:
        return signed.decode(store.read("", _file(source)), Failures, "the note of failed backups")
    except RedclustError:
        return None


@contextmanager
def noted(store: Store, source: str) -> Generator[None]:
    """Write down that the block failed, or that it did not; an interrupted one is neither."""
    try:
        yield
    except (RedclustError, psycopg.Error, OSError) as error:
        with suppress(RedclustError, OSError):
            _note(store, source, error)
        raise
    with suppress(RedclustError, OSError):
        store.delete("", _file(source))


def _note(store: Store, source: str, error: Exception) -> None:
    before = read(store, source)
    now = datetime.now(UTC)
    found = error if isinstance(error, RedclustError) else in_words(error)
    store.put(
        "",
        _file(source),
        signed.encode(
            Failures(
                count=(before.count if before else 0) + 1,
                since=before.since if before else now,
                at=now,
                error=" ".join(str(found or error).split())[:1000],
                exit_code=found.exit_code if found else 1,
            )
        ),
    )


def _file(source: str) -> str:
    return f".failed-{hashlib.sha256(source.encode()).hexdigest()[:12]}.json"
