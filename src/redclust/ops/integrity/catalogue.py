"""What may be wrong with the data: one record a check.

A record says which rows of which table a query of ``sql/integrity.sql`` finds; ``check`` counts them, and
``clean`` works them off by the same query.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from enum import StrEnum

from psycopg import sql

from redclust.sql import query


class Type(StrEnum):
    """The kinds that ``--type`` names."""

    POSTS = "posts"
    COMMENTS = "comments"
    GRAPH_NODES = "graph-nodes"
    GRAPH_LINKS = "graph-links"
    DUPLICATES = "duplicates"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table that a query finds, and the columns that tell one from another."""

    table: str
    query: str
    key: tuple[str, ...] = ("id",)
    #: What else the query is composed with, by the names it has there.
    names: tuple[tuple[str, str], ...] = ()

    @property
    def parent(self) -> str | None:
        """The table that the rows refer to, where all that is asked is whether it has their ids."""
        return dict(self.names).get("parent")

    def found(self, rows: sql.Composable | None = None, *, by_set: bool = False) -> sql.Composed:
        """The query, on the whole table or on ``rows`` of it; ``by_set`` where the parent's ids are known."""
        names = self.identifiers()
        whole = sql.SQL(query("integrity", "whole")).format(**names)
        text = query("integrity", f"{self.query}_by_set" if by_set else self.query)
        return sql.SQL(text).format(rows=rows or whole, **names)

    def identifiers(self) -> dict[str, sql.Composable]:
        """What queries about these rows are composed with."""
        key = sql.Composed([sql.Identifier(name) for name in self.key]).join(", ")
        own = {name: sql.Identifier(value) for name, value in self.names}
        return {"table": sql.Identifier(self.table), "key": key, "columns": key, **own}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be wrong; ``tables`` are what it reads, for progress."""

    name: str
    type: Type
    meaning: str
    mend: str
    rows: Rows
    reads: tuple[str, ...] = field(default=())


def _clean(kind: Type) -> str:
    return f"redclust integrity clean --type {kind}"


def _reference(name: str, kind: Type, table: str, column: str, parent: str, key: tuple[str, ...]) -> Check:
    what = {"author_id": "author", "post_id": "post", "subreddit_id": "subreddit"}.get(column, column)
    meaning = f"{table} whose {what} is not there".replace("_", " ")
    rows = Rows(table, "dangling", key, (("column", column), ("parent", parent)))
    return Check(name, kind, meaning, _clean(kind), rows, (table, parent))


def _repeated(table: str, *key: str, what: str) -> Check:
    return Check(
        f"{table}_repeated",
        Type.DUPLICATES,
        f"{what}: a unique index is broken or missing",
        _clean(Type.DUPLICATES),
        Rows(table, "repeated", key),
        (table, table),
    )


_LINK = ("source", "target")

CHECKS: tuple[Check, ...] = (
    _reference("post_subreddit_missing", Type.POSTS, "posts", "subreddit_id", "subreddits", ("id",)),
    _reference("post_author_missing", Type.POSTS, "posts", "author_id", "users", ("id",)),
    _reference("comment_post_missing", Type.COMMENTS, "comments", "post_id", "posts", ("id",)),
    _reference("comment_subreddit_missing", Type.COMMENTS, "comments", "subreddit_id", "subreddits", ("id",)),
    _reference("comment_author_missing", Type.COMMENTS, "comments", "author_id", "users", ("id",)),
    Check(
        "comment_subreddit_differs",
        Type.COMMENTS,
        "comments in another subreddit than their post",
        _clean(Type.COMMENTS),
        Rows("comments", "comment_subreddit_differs"),
        ("comments", "posts"),
    ),
    Check(
        "graph_node_source_missing",
        Type.GRAPH_NODES,
        "graph nodes whose subreddit or user is not there",
        f"{_clean(Type.GRAPH_NODES)}, or redclust precalc",
        Rows("graph_nodes", "graph_node_source_missing"),
        ("graph_nodes", "subreddits", "users"),
    ),
    _reference("graph_link_source_missing", Type.GRAPH_LINKS, "graph_links", "source", "graph_nodes", _LINK),
    _reference("graph_link_target_missing", Type.GRAPH_LINKS, "graph_links", "target", "graph_nodes", _LINK),
    _repeated("posts", "id", what="posts that are there more than once"),
    _repeated("comments", "id", what="comments that are there more than once"),
    _repeated("subreddits", "id", what="subreddits with the id of another"),
    _repeated("users", "id", what="users with the id of another"),
    _repeated("imported_interactions", "file_id", "user_id", "subreddit_id", what="pairs counted twice"),
    _repeated("user_subreddit_activity", "user_id", "subreddit_id", what="activity that stands twice"),
    _repeated(
        "subreddit_relationships",
        "source_subreddit_id",
        "target_subreddit_id",
        what="relationships that stand twice",
    ),
    _repeated("graph_nodes", "id", what="graph nodes that stand twice"),
    _repeated("graph_links", *_LINK, what="graph links that stand twice"),
)


def of_types(types: Set[str]) -> tuple[Check, ...]:
    """The checks of these types, in order; of all where none is named."""
    return tuple(check for check in CHECKS if not types or check.type in types)


def named(name: str) -> Check:
    """One check.

    Raises:
        KeyError: there is none of that name.
    """
    return {check.name: check for check in CHECKS}[name]
