"""What readers of the map ask, and asking it as a client does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import orjson
from psycopg import sql

from redclust.db.connect import Connection
from redclust.db.top_links import LINKS, NODES
from redclust.sql import query

Statement = LiteralString | sql.Composed


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of a question, with its values."""

    statement: Statement
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """``key`` is what the configuration calls it. The answer of a ``document`` is JSON already."""

    key: str
    name: str
    parts: tuple[Part, ...]
    document: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds until the rows were there, and from then on until they were JSON; rows and bytes of it."""

    fetch_ms: float
    json_ms: float
    rows: int
    json_bytes: int

    @property
    def all_ms(self) -> float:
        return self.fetch_ms + self.json_ms


def questions(connection: Connection) -> tuple[Question, ...]:
    """The questions, about nodes that this graph has; empty where it has none."""
    row = connection.execute(query("reading", "a_node_to_ask_for")).fetchone()
    row = row or connection.execute(query("reading", "any_node")).fetchone()
    if row is None:
        return ()
    identifier, name, val = row
    tops = {limit: _part("top_nodes", limit=limit) for limit in (100, 1_000, 10_000, NODES)}
    among = _part("links_among_top", limit=NODES, links=LINKS)
    return (
        *(Question(f"top_{limit}", f"top {limit:,} nodes", (part,)) for limit, part in tops.items()),
        Question(
            "subreddits", "top 1,000 subreddits", (_part("top_of_type", type="subreddit", limit=1_000),)
        ),
        Question("links", f"links among {NODES:,}", (among,)),
        map_question(),
        Question("map_document", f"map of {NODES:,} by the server", (_document(),), document=True),
        Question("neighbourhood", "neighbourhood", (_part("neighbourhood", id=identifier, limit=1_000),)),
        Question("page", "page of 100", (_part("page_after", val=val, id=identifier, limit=100),)),
        Question("search", "prefix search", (_part("names_beginning", prefix=str(name)[:3], limit=20),)),
    )


def map_question() -> Question:
    """The biggest nodes and the links among them, each in a statement of its own."""
    among = _part("links_among_top", limit=NODES, links=LINKS)
    return Question("map", f"map of {NODES:,}", (_part("top_nodes", limit=NODES), among))


def ask(connection: Connection, question: Question) -> Answer:
    """Ask, and make JSON of the answer as a client does."""
    fetch_s = json_s = 0.0
    rows = json_bytes = 0
    for part in question.parts:
        started_s = time.perf_counter()
        found = connection.execute(part.statement, part.values, binary=True).fetchall()
        fetched_s = time.perf_counter()
        json_bytes += len(found[0][0].encode() if question.document else orjson.dumps(found))
        json_s += time.perf_counter() - fetched_s
        fetch_s += fetched_s - started_s
        rows += len(found)
    return Answer(fetch_s * 1_000, json_s * 1_000, rows, json_bytes)


def _part(name: LiteralString, **values: Any) -> Part:
    return Part(query("reading", name), values)


def _document() -> Part:
    nodes, links = (sql.SQL(query("reading", name)) for name in ("top_nodes", "links_among_top"))
    statement = sql.SQL(query("reading", "map_as_json")).format(nodes=nodes, links=links)
    return Part(statement, {"limit": NODES, "links": LINKS})
