"""What may be wrong with the data: one record a check.

A record says which rows of which table a query of ``sql/integrity.sql`` finds; ``check`` counts them, and
``clean`` works them off by the same query.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
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
    RELATIONSHIPS = "relationships"
    ACTIVITY = "activity"
    JOBS = "jobs"
    SEQUENCES = "sequences"
    KEYS = "keys"
    INDEXES = "indexes"
    TABLES = "tables"
    SCHEMA = "schema"
    SERVER = "server"


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
class Listed:
    """What a query of ``sql/catalogs.sql`` lists, in words."""

    query: str

    def found(self) -> sql.Composed:
        """The query."""
        return sql.Composed([sql.SQL(query("catalogs", self.query))])


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be wrong, what it means and what mends it.

    ``finds`` says how it is found; None where ``probes`` knows. ``reads`` are the tables that it goes
    through, for progress. ``deep`` is one that is dear: made where it is asked for.
    """

    name: str
    type: Type
    meaning: str
    mend: str
    finds: Rows | Listed | None = None
    reads: tuple[str, ...] = ()
    deep: bool = False

    @property
    def rows(self) -> Rows:
        """How a check of rows finds them.

        Raises:
            TypeError: it is another kind of check.
        """
        if not isinstance(self.finds, Rows):
            raise TypeError(f"{self.name} is not about rows")
        return self.finds


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


def _names_repeated(table: str, named_by: str, imported_by: str | None = None) -> Check:
    return Check(
        f"{table[:-1]}_names_repeated",
        Type.DUPLICATES,
        f"{table} whose name another one has, told by id and the id that stays: a unique index is broken",
        _clean(Type.DUPLICATES),
        Rows(
            table,
            "names_repeated",
            ("id",),
            (("named_by", named_by), ("imported_by", imported_by or named_by)),
        ),
        (table, table),
    )


_LINK = ("source", "target")
_RELATIONSHIP = ("source_subreddit_id", "target_subreddit_id")
_REPAIR = "redclust integrity repair"
# What was changed behind its back an incremental run may pass by.
_PRECALC = "redclust precalc --full"
_RESTORE = "restore a backup: redclust restore --swap"

CHECKS: tuple[Check, ...] = (
    _reference("post_subreddit_missing", Type.POSTS, "posts", "subreddit_id", "subreddits", ("id",)),
    _reference("post_author_missing", Type.POSTS, "posts", "author_id", "users", ("id",)),
    _reference("comment_post_missing", Type.COMMENTS, "comments", "post_id", "posts", ("id",)),
    _reference("comment_subreddit_missing", Type.COMMENTS, "comments", "subreddit_id", "subreddits", ("id",)),
    _reference("comment_author_missing", Type.COMMENTS, "comments", "author_id", "users", ("id",)),
    Check(
        "comment_parent_missing",
        Type.COMMENTS,
        "comments that answer, themselves or through others, one that a crawl has seen and that is gone",
        f"redclust crawl --sub NAME, which asks Reddit for it again; or {_clean(Type.COMMENTS)}",
        Rows("comments", "comment_parent_missing"),
        ("comments",),
    ),
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
        "graph nodes whose subreddit, user, post or comment is not there",
        f"{_clean(Type.GRAPH_NODES)}, or {_PRECALC}",
        Rows("graph_nodes", "graph_node_source_missing"),
        ("graph_nodes", "subreddits", "users", "posts", "comments"),
    ),
    _reference("graph_link_source_missing", Type.GRAPH_LINKS, "graph_links", "source", "graph_nodes", _LINK),
    _reference("graph_link_target_missing", Type.GRAPH_LINKS, "graph_links", "target", "graph_nodes", _LINK),
    Check(
        "graph_link_backwards",
        Type.GRAPH_LINKS,
        "graph links from the greater to the lesser end: each is to stand once, the lesser end first",
        f"{_clean(Type.GRAPH_LINKS)}, then {_PRECALC}",
        Rows("graph_links", "graph_link_backwards", _LINK),
        ("graph_links",),
    ),
    Check(
        "top_links_differ",
        Type.GRAPH_LINKS,
        "links that are stored for readers of the biggest nodes and differ from the graph",
        _PRECALC,
        reads=("graph_nodes", "graph_links"),
    ),
    _repeated("posts", "id", what="posts that are there more than once"),
    _repeated("comments", "id", what="comments that are there more than once"),
    _repeated("subreddits", "id", what="subreddits with the id of another"),
    _repeated("users", "id", what="users with the id of another"),
    _names_repeated("subreddits", "subreddit_id"),
    _names_repeated("users", "author_id", "user_id"),
    Check(
        "job_names_repeated",
        Type.DUPLICATES,
        "crawl jobs of one subreddit: a unique index is broken or missing",
        _clean(Type.DUPLICATES),
        Rows("crawl_jobs", "job_names_repeated"),
        ("crawl_jobs", "crawl_jobs"),
    ),
    _repeated("imported_interactions", "file_id", "user_id", "subreddit_id", what="pairs counted twice"),
    _repeated("user_subreddit_activity", "user_id", "subreddit_id", what="activity that stands twice"),
    _repeated("subreddit_relationships", *_RELATIONSHIP, what="relationships that stand twice"),
    _repeated("graph_nodes", "id", what="graph nodes that stand twice"),
    _repeated("graph_links", *_LINK, what="graph links that stand twice"),
    Check(
        "relationship_one_way",
        Type.RELATIONSHIPS,
        "relationships of two subreddits that are others in the other direction",
        _PRECALC,
        Rows("subreddit_relationships", "relationship_one_way", _RELATIONSHIP),
        ("subreddit_relationships", "subreddit_relationships"),
    ),
    Check(
        "activity_differs",
        Type.ACTIVITY,
        "activity that differs from the posts, comments and interactions of its snapshot",
        _PRECALC,
        reads=("comments", "comments", "comments", "posts", "imported_interactions"),
        deep=True,
    ),
    Check(
        "overlap_differs",
        Type.ACTIVITY,
        "relationships that differ from the users whom two subreddits share",
        _PRECALC,
        reads=("user_subreddit_activity", "user_subreddit_activity", "subreddit_relationships"),
        deep=True,
    ),
    Check(
        "job_stuck",
        Type.JOBS,
        "jobs that are being crawled by nobody who shows a sign of life",
        "redclust jobs reset-stuck; any crawler does it too",
        Rows("crawl_jobs", "job_stuck"),
        ("crawl_jobs",),
    ),
    Check(
        "job_impossible",
        Type.JOBS,
        "jobs whose columns contradict their status",
        _REPAIR,
        Rows("crawl_jobs", "job_impossible"),
        ("crawl_jobs",),
    ),
    Check(
        "sequence_behind",
        Type.SEQUENCES,
        "sequences that will give a number that is taken: the next insert fails",
        _REPAIR,
        reads=("subreddits", "users"),
    ),
    Check(
        "key_broken",
        Type.KEYS,
        "rows that break a foreign key, also one that is marked valid: a backup of them cannot be restored",
        f"{_clean(Type.KEYS)}, then {_REPAIR}",
        reads=("imported_interactions",) * 3,
    ),
    Check(
        "key_not_enforced",
        Type.KEYS,
        "constraints that are not valid, or whose triggers are switched off",
        _REPAIR,
        Listed("key_not_enforced"),
    ),
    Check(
        "index_invalid",
        Type.INDEXES,
        "indexes that no query may use, left by a build that failed",
        _REPAIR,
        Listed("index_invalid"),
    ),
    Check(
        "index_corrupt",
        Type.INDEXES,
        "indexes whose pages are damaged, or that lack rows (looked for with --deep)",
        _REPAIR,
        reads=("comments", "posts", "graph_links"),
    ),
    Check(
        "table_corrupt",
        Type.TABLES,
        "rows and pages of tables that are damaged",
        _RESTORE,
        reads=("comments", "comments", "posts"),
        deep=True,
    ),
    Check(
        "schema_drift",
        Type.SCHEMA,
        "what the migrations made and is gone, or is another now",
        _REPAIR,
    ),
    Check(
        "collation_drift",
        Type.SERVER,
        "text sorts otherwise than when indexes were built: they may miss rows",
        _REPAIR,
        Listed("collation_drift"),
    ),
    Check(
        "checksum_failures",
        Type.SERVER,
        "pages that came damaged from the disk, since the server counts",
        f"{_REPAIR}; where a table is damaged {_RESTORE}",
    ),
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
