"""What ``clean`` does, step by step, in the order in which one pass suffices.

Of rows that are the same the best stays; then what refers to nothing goes, from the referred to the referring
(a post takes its comments with it, a node its links); then what is only wrong in one column is put right.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from psycopg import sql

from redclust.ops.integrity import catalogue
from redclust.ops.integrity.catalogue import Rows, Type
from redclust.ops.integrity.probes.catalogs import ForeignKey
from redclust.sql import query

Mends = Literal["remove", "blank", "move_comments", "repoint"]
#: What is asked again when a batch is worked off, where that is not what was asked when its rows were found.
_STILL = {
    "repeated": "repeated_still",
    "names_repeated": "merged_still",
    "job_names_repeated": "as_found",
    "interactions_collide": "as_found",
    "comment_parent_missing": "as_found",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of finding and how it is mended.

    ``after`` are the numbers of the steps whose removed rows leave the rows of this one without what they
    refer to. ``asks_again`` is what a row must still be when its turn comes, where that is not what it was
    found by. Steps find their rows in the order of their numbers, and are worked off in that of ``turn``.
    """

    number: int
    reason: str
    type: Type
    rows: Rows
    mends: Mends = "remove"
    after: tuple[int, ...] = ()
    asks_again: Rows | None = None
    turn: float = -1

    @property
    def table(self) -> str:
        return self.rows.table

    @property
    def referred_to(self) -> bool:
        """Whether rows of other tables name these, or are written beside them: writers are kept out."""
        return self.table in _REFERRED_TO

    @property
    def passes_by_keys(self) -> bool:
        """Whether what a key would remove along with such a row is to stay: its other one is there."""
        return self.rows.query == "repeated"

    @property
    def dangles(self) -> bool:
        """Whether its rows name one that is not there, and are removed for that alone."""
        return self.mends == "remove" and self.rows.query == "dangling" and self.asks_again is None

    def by_turns(self) -> tuple[sql.Composed, sql.Composed]:
        """What keeps the rows at some places, and what removes those of them that are wrong yet."""
        names = self.rows.identifiers()
        keep, remove = (sql.SQL(query("integrity", name)).format(**names) for name in ("keep", "remove_kept"))
        return keep, remove

    def finds(self, found: sql.Composed) -> sql.Composed:
        """What to collect: the check's rows, and those that an earlier step leaves without theirs."""
        if not self.after or self.rows.query != "dangling":
            return found
        bereft = Rows(self.table, "bereft", self.rows.key, self.rows.names)
        return sql.SQL(query("integrity", "both")).format(found=found, bereft=bereft.found())

    def still(self) -> sql.Composed:
        """Of one batch the rows that are wrong yet."""
        rows = self.asks_again or self.rows
        names = rows.identifiers()
        if (text := _STILL.get(rows.query)) is not None:
            return sql.SQL(query("integrity", text)).format(**names)
        return rows.found(sql.SQL(query("integrity", "batch")).format(**names))

    def statement(self) -> sql.Composed:
        """What works one batch off."""
        if self.dangles:
            return sql.SQL(query("integrity", "remove_dangling")).format(**self.rows.identifiers())
        return sql.SQL(query("integrity", self.mends)).format(found=self.still(), **self.rows.identifiers())


def plan(types: Set[str], keys: Sequence[ForeignKey]) -> tuple[Step, ...]:
    """The steps for these types, in the order in which their rows are found; for all where none is named.

    ``keys`` are the foreign keys of the tables.
    """
    planned = _Plan(types, keys)
    for check in catalogue.of_types(frozenset({Type.DUPLICATES})):
        if check.rows.query == "repeated":
            planned.check(check.name)
    merged = planned.merge() if planned.wants(Type.DUPLICATES) else {}
    for key in keys if planned.wants(Type.KEYS) else ():
        planned.add(key.name, Type.KEYS, key)
    planned.check("post_subreddit_missing")
    planned.check("comment_post_missing", after=("post_subreddit_missing",))
    planned.check("comment_parent_missing")
    planned.check("comment_subreddit_differs", "move_comments")
    planned.check("comment_subreddit_missing")
    planned.check("post_author_missing", "blank")
    planned.check("comment_author_missing", "blank")
    nodes = catalogue.named(_NODES).rows
    for table, number in merged.items():
        of = Rows("graph_nodes", "nodes_of_merged", ("id",), (("prefix", f"{table[:-1]}_"),))
        planned.add(_NODES, Type.GRAPH_NODES, of, after=(number,), asks_again=nodes)
    planned.check(_NODES)
    planned.check("graph_link_backwards")
    for end in ("source", "target"):
        planned.check(f"graph_link_{end}_missing", after=(_NODES,))
    return tuple(planned.steps)


@dataclass(slots=True)
class _Plan:
    types: Set[str]
    keys: Sequence[ForeignKey]
    steps: list[Step] = field(default_factory=list[Step])

    def wants(self, kind: Type) -> bool:
        return not self.types or kind in self.types

    def add(
        self,
        reason: str,
        kind: Type,
        rows: Rows,
        mends: Mends = "remove",
        after: tuple[int, ...] = (),
        asks_again: Rows | None = None,
    ) -> int:
        number = len(self.steps)
        self.steps.append(Step(number, reason, kind, rows, mends, after, asks_again, number))
        return number

    def check(self, name: str, mends: Mends = "remove", after: tuple[str, ...] = ()) -> None:
        """What a check finds, where its type is wanted, and what is left without its own by others."""
        check = catalogue.named(name)
        before = tuple(one.number for one in self.steps if one.reason in after)
        if self.wants(check.type) or before:
            self.add(name, check.type, check.rows, mends, before)

    def merge(self) -> dict[str, int]:
        """Of one name that stands twice: whatever names the second is pointed to the first, then it goes."""
        checks = {"users": "user_names_repeated", "subreddits": "subreddit_names_repeated"}
        checks["crawl_jobs"] = "job_names_repeated"
        numbers = {
            table: self.add(name, Type.DUPLICATES, catalogue.named(name).rows)
            for table, name in checks.items()
        }
        both = (numbers["users"], numbers["subreddits"])
        pairs = Rows("imported_interactions", "interactions_collide", _INTERACTION)
        self.add(checks["users"], Type.DUPLICATES, pairs, after=both)
        for table, column, parent in _NAMED:
            key = _INTERACTION if table == "imported_interactions" else ("id",)
            rows = Rows(table, "of_merged", key, (("column", column),))
            self.add(checks[parent], Type.DUPLICATES, rows, "repoint", (numbers[parent],))
        pointed = {(table, column) for table, column, _ in _NAMED}
        for key in self.keys:
            if key.referred in checks and (key.table, key.columns[0]) not in pointed:
                rows = Rows(key.table, "of_merged", key.key, (("column", key.columns[0]),))
                self.add(checks[key.referred], Type.DUPLICATES, rows, after=(numbers[key.referred],))
        for number in numbers.values():
            self.steps[number] = replace(self.steps[number], turn=len(self.steps) - 0.5)
        return {"users": numbers["users"], "subreddits": numbers["subreddits"]}


_NODES = "graph_node_source_missing"
_INTERACTION = ("file_id", "user_id", "subreddit_id")
#: What names users and subreddits: table, column, and whom.
_NAMED = (
    ("posts", "author_id", "users"),
    ("comments", "author_id", "users"),
    ("imported_interactions", "user_id", "users"),
    ("posts", "subreddit_id", "subreddits"),
    ("comments", "subreddit_id", "subreddits"),
    ("imported_interactions", "subreddit_id", "subreddits"),
)
_REFERRED_TO = frozenset({"subreddits", "users", "posts", "comments", "imported_interactions"})
