"""A small database with something in every table, and what two databases must share to be the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from harness import Redclust, maintenance
from redclust import config
from redclust.config import Loaded
from redclust.db import databases
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.ops import backup, restore
from redclust.ops.restore import RestoreReport, UndoReport
from redclust.report import Silent

#: Runs of the verbs are recorded, and the queue paused, while a restore is at work.
_CHANGE_BY_THEMSELVES = {"run_history", "crawl_pauses"}

_FILL = """
INSERT INTO subreddits (name, title) SELECT 'sub_' || n, 'title ' || n FROM generate_series(1, 40) AS n;
INSERT INTO users (name) SELECT 'user_' || n FROM generate_series(1, 500) AS n;
INSERT INTO posts (id, subreddit_id, author_id, title, created_at, selftext)
SELECT n, 1 + n % 40, 1 + n % 500, 'post ' || n, timestamptz '2021-04-01' + n * interval '1 min',
       repeat(md5(n::text), 4)
FROM generate_series(1, 3000) AS n;
INSERT INTO comments (id, post_id, subreddit_id, author_id, created_at, body)
SELECT n, 1 + n % 3000, 1 + (1 + n % 3000) % 40, 1 + (n * 7) % 500,
       timestamptz '2021-04-02' + n * interval '1 s', E'tab\\t back\\\\slash \\u00e9 ' || md5(n::text)
FROM generate_series(1, 8000) AS n;
INSERT INTO graph_nodes (id, name, val, type) SELECT 'subreddit_' || id, name, 1, 'subreddit' FROM subreddits;
INSERT INTO crawl_jobs (subreddit_name, status) SELECT name, 'pending' FROM subreddits;
ANALYZE;
"""


def fill(database: Database) -> None:
    with database.connect(bulk=True, autocommit=True) as connection:
        connection.execute(_FILL)


def damage(database: Database) -> None:
    """What somebody does at the wrong prompt: a table gone, half of another deleted."""
    with database.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE comments")
        connection.execute("DELETE FROM posts WHERE id % 2 = 0")


def hashes(target: Target) -> dict[str, tuple[int, str]]:
    """Rows and a hash of every table of a database."""
    found: dict[str, tuple[int, str]] = {}
    with psycopg.connect(target.conninfo, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            if table not in _CHANGE_BY_THEMSELVES:
                statement = sql.SQL(
                    "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {} AS t"
                ).format(sql.Identifier(table))
                rows, digest = connection.execute(statement).fetchone() or (0, "")
                found[str(table)] = (int(rows), str(digest))
    return found


@dataclass(frozen=True)
class Place:
    """A database, a directory for its backups, and the command on both."""

    database: Database
    redclust: Redclust
    directory: Path
    home: Path
    #: With its password, where it has one.
    url: str = ""
    #: The server is the home's own.
    embedded: bool = False

    @property
    def name(self) -> str:
        return databases.name_of(self.database.connector)

    @property
    def target(self) -> Target:
        return self.database.target

    @property
    def env(self) -> dict[str, str]:
        named = {} if self.embedded else {"DATABASE_URL": self.url or self.target.url()}
        return {
            "REDCLUST_BACKUP__TARGET": str(self.directory),
            "REDCLUST_HOME": str(self.home),
            **named,
        }

    def run(
        self,
        *args: str,
        check: int | None = 0,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        return self.redclust(*args, check=check, env={**self.env, **(env or {})}, fresh=fresh)

    def start(self, *args: str) -> subprocess.Popen[str]:
        return self.redclust.start(*args, env=self.env)

    @property
    def loaded(self) -> Loaded:
        flags = {
            "database": {"url": self.url or self.target.url()},
            "backup": {"target": str(self.directory)},
        }
        return config.load(home=self.home, flags=flags)

    def report(
        self, *args: str, check: int = 0, env: Mapping[str, str] | None = None, fresh: bool = False
    ) -> dict[str, Any]:
        """What the command says with ``--format json``."""
        return json.loads(self.run(*args, "--format", "json", check=check, env=env, fresh=fresh).stdout)

    def backup(self, **options: Any) -> str:
        """Make a backup; its name."""
        return backup.make(self.loaded, backup.Options(tidy=False, **options), Silent()).name

    def restore(self, wanted: str = "latest", **asked: Any) -> RestoreReport:
        """Restore as the command would that nobody has to ask."""
        request = restore.Request(wanted, **asked)
        with restore.prepare(self.loaded, request, Silent()) as prepared:
            return prepared.run()

    def undo(self) -> UndoReport:
        return restore.undo(self.database.connector, Silent(), terminate=False, lock_wait_s=0)

    def others(self) -> list[str]:
        """The databases that restores and drills have made of this one."""
        with maintenance(self.target) as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1",
                (f"{self.name}_",),
            )
            return [str(name) for (name,) in rows]

    def ask(self, statement: str, name: str | None = None) -> Any:
        """The first value of a query, of this database or another one of its server."""
        target = self.target.on(name) if name else self.target
        with psycopg.connect(target.conninfo, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None

    def clean(self) -> None:
        with maintenance(self.target) as connection:
            for name in self.others():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
