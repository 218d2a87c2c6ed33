"""Whether a restored copy is sound: its keys, indexes, sequences, schema, and what its owner asserts."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, LiteralString, cast

import psycopg
from psycopg import errors as pg
from psycopg import sql

from redclust.config import Settings
from redclust.db import extensions, schema
from redclust.db.connect import Connection, Connector
from redclust.db.extensions import Unavailable
from redclust.db.schema import State
from redclust.db.session import Database
from redclust.errors import RedclustError
from redclust.ops.backup.manifest import Manifest
from redclust.report import Progress, Silent
from redclust.sql import query

Verdict = Literal["fine", "wrong", "skipped"]
#: How many faults of one kind are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at in the copy; ``told`` says what was found, or why it was left out.

    What is wrong is the backup's fault, or, with ``of_data``, stood in the database that it was made of.
    """

    name: str
    of_data: bool
    verdict: Verdict
    told: str
    duration_s: float


def checks(copy: Connector, made: Manifest, settings: Settings, progress: Progress) -> tuple[Check, ...]:
    """Look at everything that a count of rows does not show. Linear in the data; changes the copy only.

    The copy gets amcheck, where this role may make it, and the migrations that it lacks.
    """
    steps: list[tuple[str, bool, Callable[[], tuple[Verdict, str]]]] = [
        ("migration head", False, lambda: _head(copy, made)),
        ("indexes", False, lambda: _indexes(copy, progress)),
        ("constraints", True, lambda: _constraints(copy)),
        ("sequences", True, lambda: _sequences(copy)),
        ("migrations to come", True, lambda: _migrate(copy)),
        ("keys", True, lambda: _keys(copy, settings)),
    ]
    steps += [
        (f"assertion {name}", True, lambda statement=statement: _assertion(copy, statement))
        for name, statement in settings.backup.drill_assertions.items()
    ]
    done: list[Check] = []
    with progress.task("checking", len(steps)) as task:
        for name, of_data, step in steps:
            task.note(name)
            started_s = time.monotonic()
            verdict, told = step()
            done.append(Check(name, of_data, verdict, told, round(time.monotonic() - started_s, 3)))
            task.advance(1)
    return tuple(done)


def _head(copy: Connector, made: Manifest) -> tuple[Verdict, str]:
    with _session(copy) as connection:
        found = schema.inspect(connection)
        if found.state in (State.EMPTY, State.FOREIGN):
            version = None
        else:
            row = connection.execute(query("restore", "newest_migration")).fetchone()
            version = row[0] if row else None
    if version != made.schema_version:
        return "wrong", f"the schema has version {version}, the manifest says {made.schema_version}"
    return "fine", f"version {version}" if version is not None else "the backup has no schema of redclust's"


def _constraints(copy: Connector) -> tuple[Verdict, str]:
    with _session(copy) as connection:
        found = [str(name) for (name,) in connection.execute(query("restore", "unvalidated"))]
    return ("wrong", f"not valid: {_some(found)}") if found else ("fine", "all are valid")


def _indexes(copy: Connector, progress: Progress) -> tuple[Verdict, str]:
    """Each B-tree with an entry for each row (heapallindexed): a plain check finds no missing one."""
    broken: list[str] = []
    with _session(copy) as connection:
        rows = connection.execute(query("restore", "indexes")).fetchall()
        invalid = [str(name) for _, name, _, valid in rows if not valid]
        if invalid:
            return "wrong", f"not valid: {_some(invalid)}"
        trees = [(index, str(name)) for index, name, is_tree, _ in rows if is_tree]
        try:
            with (
                extensions.borrow(connection, "amcheck") as schema_of_it,
                progress.task("amcheck", len(trees)) as task,
            ):
                statement = sql.SQL(query("restore", "check_index")).format(schema=schema_of_it)
                for index, name in trees:
                    task.note(name)
                    try:
                        with connection.transaction():
                            connection.execute(statement, {"index": index})
                    except (pg.IndexCorrupted, pg.DataCorrupted, pg.InternalError_) as error:
                        broken.append(f"{name}: {_line(error)}")
                    task.advance(1)
        except Unavailable as error:
            return "skipped", f"all {len(rows)} are valid; not looked into: {error}"
    if broken:
        return "wrong", _some(broken)
    others = len(rows) - len(trees)
    return "fine", f"{len(trees)} checked row by row" + (f", {others} of other kinds valid" if others else "")


def _sequences(copy: Connector) -> tuple[Verdict, str]:
    behind: list[str] = []
    with _session(copy) as connection:
        rows = connection.execute(query("restore", "sequences")).fetchall()
        for name, schema_name, table, column, last, ascending in rows:
            statement = sql.SQL(query("restore", "greatest"))
            names = {"table": sql.Identifier(schema_name, table), "column": sql.Identifier(column)}
            row = connection.execute(statement.format(**names)).fetchone()
            greatest = row[0] if row else None
            if greatest is not None and ascending and greatest > last:
                behind.append(f"{name} stands at {last}, {table}.{column} at {greatest}")
    return ("wrong", _some(behind)) if behind else ("fine", f"{len(rows)} are not behind their columns")


def _migrate(copy: Connector) -> tuple[Verdict, str]:
    """A backup of an older redclust must become one of this one's."""
    with _session(copy) as connection:
        state = schema.inspect(connection).state
    if state not in (State.BEHIND, State.CURRENT):
        return "skipped", "the backup has no schema of redclust's"
    try:
        return "fine", f"{len(schema.migrate(copy))} applied"
    except RedclustError as error:
        return "wrong", str(error)


def _keys(copy: Connector, settings: Settings) -> tuple[Verdict, str]:
    """What ``integrity check`` looks for: rows that name what is not there, keys twice."""
    from redclust.ops.integrity import Type, check  # numpy with it: who lists backups does not need it

    with _session(copy) as connection:
        if schema.inspect(connection).state is not State.CURRENT:
            return "skipped", "the backup has no schema of redclust's"
    # What names rows of other tables, or must not be there twice; the rest has checks of its own here.
    types = {Type.POSTS, Type.COMMENTS, Type.GRAPH_NODES, Type.GRAPH_LINKS, Type.DUPLICATES, Type.KEYS}
    found = check(Database(copy), settings, Silent(), types=types)
    wrong = [f"{one.rows} {one.meaning}" for one in found.checks if one.state == "found"]
    wrong += [
        f"{one.name} could not be checked: {one.reason}" for one in found.checks if one.state == "failed"
    ]
    return ("wrong", _some(wrong)) if wrong else ("fine", f"{len(found.checks)} checks found nothing")


def _assertion(copy: Connector, statement: str) -> tuple[Verdict, str]:
    """The first column of the first row must be true."""
    with _session(copy) as connection:
        try:
            # Of the configuration: the operator's own SQL, on a database that is thrown away.
            row = connection.execute(cast(LiteralString, statement)).fetchone()
        except psycopg.Error as error:
            return "wrong", _line(error)
    if row is None:
        return "wrong", "gave no row"
    return ("fine", "true") if row[0] is True else ("wrong", f"gave {row[0]!r}, not true")


@contextmanager
def _session(copy: Connector) -> Generator[Connection]:
    with copy.connect(bulk=True, autocommit=True) as connection:
        yield connection


def _some(found: list[str]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _line(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
