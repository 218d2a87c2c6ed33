"""Named queries: one ``.sql`` file an area, each query with a sentence that says what it answers.

A query begins with a line ``-- name: some_name`` and the comment lines below it; values are written
``%(name)s`` only, identifiers are composed by ``psycopg.sql`` where a statement needs one.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of a ``.sql`` file with the comment that explains it."""

    area: str
    name: str
    comment: str
    # The text comes from a file of this package, never from input: that is what LiteralString stands for.
    text: LiteralString


@functools.cache
def area(name: str) -> dict[str, Query]:
    """All queries of ``sql/<name>.sql`` by name.

    Raises:
        ValueError: two queries have one name, or a query has no comment.
    """
    source = files("redclust.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    queries: dict[str, Query] = {}
    parts = _NAME.split(source)
    for query_name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = body.strip().splitlines()
        head = [line for line in lines if line.startswith("--")]
        text = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
        if query_name in queries or not head or not text:
            raise ValueError(f"sql/{name}.sql: {query_name} stands twice, or lacks its comment or its text")
        comment = " ".join(line.removeprefix("--").strip() for line in head)
        queries[query_name] = Query(name, query_name, comment, cast(LiteralString, text))
    return queries


def query(area_name: str, name: str) -> LiteralString:
    """The text of one query, ready for ``execute``.

    Raises:
        KeyError: no such query in that area.
    """
    return area(area_name)[name].text


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema, run in one transaction."""

    version: int
    name: str
    text: LiteralString
    checksum: str


@functools.cache
def migrations() -> tuple[Migration, ...]:
    """The migrations in order, numbered 1, 2, 3 … without a gap.

    Raises:
        ValueError: a number is missing or stands twice.
    """
    import hashlib

    found: list[Migration] = []
    folder = files("redclust.sql").joinpath("migrations")
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        number, _, name = entry.name.removesuffix(".sql").partition("_")
        text = entry.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(int(number), name, cast(LiteralString, text), checksum))
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"sql/migrations is not numbered 1 to {len(found)}")
    return tuple(found)
