"""Backups of a test's own database, in a place of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backup_place import Backups, loaded_for

from harness import Redclust, open_directory
from redclust.config import Loaded
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import backup
from redclust.ops.backup import BackupReport, Options
from redclust.report import Silent


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(bulk=True, autocommit=True) as connection:
        yield connection


@pytest.fixture
def place(work_dir: Path) -> Iterator[Path]:
    """A directory for backups that is not there yet."""
    base = open_directory(work_dir)
    yield base / "backups"
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def fill(connection: Connection) -> Callable[[int], None]:
    """``fill(n)``: n posts and three times as many comments, of text that does not compress away."""

    def rows(count: int) -> None:
        connection.execute("INSERT INTO subreddits (name) VALUES ('one'), ('two') ON CONFLICT DO NOTHING")
        connection.execute("INSERT INTO users (name) SELECT 'user' || n FROM generate_series(1, 50) n")
        connection.execute(
            "INSERT INTO posts (id, subreddit_id, author_id, created_at, title, selftext) "
            "SELECT n, 1, 1 + n %% 50, now(), 'title ' || n, "
            "md5(n::text) || E'\\n\\\\.\\n\\t' || md5(n::text || 'x') "
            "FROM generate_series(1, %s) n",
            (count,),
        )
        connection.execute(
            "INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body) "
            "SELECT n, 1 + n %% %s, 1, 1 + n %% 50, now(), md5(n::text) || md5((n + 1)::text) "
            "FROM generate_series(1, %s) n",
            (count, 3 * count),
        )
        connection.execute("VACUUM ANALYZE")

    return rows


@pytest.fixture
def backups(redclust: Redclust, place: Path) -> Backups:
    return Backups(redclust, place, {})


@pytest.fixture
def loaded(database: Database, place: Path, work_dir: Path, bin_dir: Path | None) -> Loaded:
    """What the command would be given, for calls inside this process."""
    return loaded_for(database, place, work_dir, bin_dir)


@pytest.fixture
def make(loaded: Loaded) -> Callable[..., BackupReport]:
    """``make()``: one backup inside this process."""

    def run(**options: Any) -> BackupReport:
        return backup.make(loaded, Options(**options), Silent())

    return run
