"""What ``clean`` does, step by step, in the order in which one pass suffices.

Of rows that are the same the best stays; then what refers to nothing goes, from the referred to the referring
(a post takes its comments with it, a node its links); then what is only wrong in one column is put right.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from redclust.ops.integrity import catalogue
from redclust.ops.integrity.catalogue import Rows, Type
from redclust.ops.integrity.probes.catalogs import ForeignKey
from redclust.sql import query

Mends = Literal["remove", "blank", "move_comments"]


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of finding and how it is mended.

    ``after`` are the numbers of the steps whose removed rows leave the rows of this one without what they
    refer to. ``referred_to``: rows of other tables may name these, or be written beside them, so that writers
    are kept out for the time of a batch.
    """

    number: int
    reason: str
    type: Type
    rows: Rows
    mends: Mends
    after: tuple[int, ...] = ()
    referred_to: bool = True

    @property
    def table(self) -> str:
        return self.rows.table

    def finds(self, *, by_set: bool) -> sql.Composed:
        """What to collect: the check's rows, and those that an earlier step leaves without theirs."""
        if not self.after:
            return self.rows.found(by_set=by_set)
        bereft = Rows(self.table, "bereft", self.rows.key, self.rows.names)
        both = sql.SQL(query("integrity", "both"))
        return both.format(found=self.rows.found(by_set=by_set), bereft=bereft.found())

    def still(self) -> sql.Composed:
        """Of one batch the rows that are wrong yet."""
        names = self.rows.identifiers()
        if self.rows.query == "repeated":
            return sql.SQL(query("integrity", "repeated_still")).format(**names)
        return self.rows.found(sql.SQL(query("integrity", "batch")).format(**names))

    def statement(self) -> sql.Composed:
        """What works one batch off."""
        return sql.SQL(query("integrity", self.mends)).format(found=self.still(), **self.rows.identifiers())


def plan(types: Set[str], keys: Sequence[ForeignKey]) -> tuple[Step, ...]:
    """The steps for these types; for all where none is named. ``keys`` are the foreign keys of the tables."""
    steps: list[Step] = []

    def add(name: str, mends: Mends = "remove", after: tuple[str, ...] = ()) -> None:
        check = catalogue.named(name)
        before = tuple(one.number for one in steps if one.reason in after)
        if types and check.type not in types and not before:
            return
        steps.append(
            Step(len(steps), name, check.type, check.rows, mends, before, check.rows.table in _REFERRED_TO)
        )

    for check in catalogue.of_types(frozenset({Type.DUPLICATES})):
        add(check.name)
    if not types or Type.KEYS in types:
        for key in keys:
            number, referred_to = len(steps), key.table in _REFERRED_TO
            steps.append(Step(number, key.name, Type.KEYS, key, "remove", referred_to=referred_to))
    add("post_subreddit_missing")
    add("comment_post_missing", after=("post_subreddit_missing",))
    add("comment_subreddit_differs", "move_comments")
    add("comment_subreddit_missing")
    add("post_author_missing", "blank")
    add("comment_author_missing", "blank")
    add("graph_node_source_missing")
    add("graph_link_backwards")
    for end in ("source", "target"):
        add(f"graph_link_{end}_missing", after=("graph_node_source_missing",))
    return tuple(steps)


_REFERRED_TO = frozenset({"subreddits", "users", "posts", "comments", "imported_interactions"})
