"""What an import was asked for, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redclust.config import Loaded
from redclust.db.session import Database
from redclust.db.target import Target, from_url
from redclust.dumps.read import Filters
from redclust.errors import UsageError
from redclust.ops.import_.files import ImportReport, import_files
from redclust.ops.import_.older_system import import_older_system
from redclust.report import Progress

#: Where Postgres' timestamps begin.
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """Files in order (``None`` is standard input), or another database; never both."""

    paths: tuple[Path | None, ...]
    filters: Filters
    source: Target | None


def parse(
    files: Sequence[Path],
    *,
    subreddits: Sequence[str] | None,
    since: str | None,
    until: str | None,
    from_database: str | None,
) -> Request:
    """Check an import's arguments.

    Raises:
        UsageError: nothing to import, a file that is not there, a time or name that cannot be understood.
    """
    if bool(files) == bool(from_database):
        raise UsageError(
            "name the files to import, or --from-database URL",
            hint="redclust import RC_2021-04.zst RS_2021-04.zst; no dump at hand? redclust demo",
        )
    for path in files:
        if str(path) != "-" and not path.is_file():
            raise UsageError(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
    names = frozenset(_subreddit(name) for name in subreddits) if subreddits else None
    filters = Filters(
        subreddits=names,
        since=_time("--since", since) if since else None,
        until=_time("--until", until) if until else None,
    )
    paths = tuple(None if str(path) == "-" else path for path in files)
    return Request(
        paths, filters, from_url(from_database, source="--from-database") if from_database else None
    )


def run(database: Database, request: Request, loaded: Loaded, progress: Progress) -> ImportReport:
    """Import what was asked for; see :func:`import_files` and :func:`import_older_system`."""
    rejects_dir = loaded.home / "rejects"
    batch_rows = loaded.settings.imports.batch_rows
    if request.source is not None:
        return import_older_system(
            database,
            request.source,
            filters=request.filters,
            batch_rows=batch_rows,
            rejects_dir=rejects_dir,
            progress=progress,
        )
    return import_files(
        database,
        request.paths,
        filters=request.filters,
        batch_rows=batch_rows,
        rejects_dir=rejects_dir,
        progress=progress,
    )


def _subreddit(name: str) -> str:
    bare = name.strip().removeprefix("/").removeprefix("r/").removesuffix("/")
    if not bare or "/" in bare or any(c.isspace() for c in bare):
        raise UsageError(f"--subreddit {name!r} is not a subreddit's name")
    return bare.lower()


def _time(option: str, text: str) -> int:
    """Microseconds since Postgres' epoch."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a time", hint="2021-04-01 or 2021-04-01T12:00:00"
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return (at - POSTGRES_EPOCH) // timedelta(microseconds=1)
