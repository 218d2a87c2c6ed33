"""Batches of rows into the base tables; a batch belongs into a transaction of the caller's.

New ids go straight into the table by binary COPY; ids that are there already go through a staging table
and are merged by the rule at the head of ``sql/store.sql``. What is gone by a tombstone is written without
author and text, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psycopg import errors as pg

from redclust.db import binary_copy, tombstones
from redclust.db.binary_copy import Bool, Fixed, Int64, Tails, Text
from redclust.db.connect import Connection
from redclust.dumps.batches import (
    NO_SCORE,
    NO_TIME,
    CommentBatch,
    InteractionBatch,
    PostBatch,
)
from redclust.sql import query
from redclust.store.names import FORGOTTEN, Names
from redclust.store.prepared import Prepared

Int32 = npt.NDArray[np.int32]


def _blank(texts: Sequence[str | None]) -> Tails:
    one = np.zeros(1, np.int64)
    return Tails.of([Text((t or "").encode(), one + len(t or ""), np.array([t is None])) for t in texts])


#: The texts of what is gone.
_GONE_COMMENT = _blank(["[deleted]"])
_GONE_POST = _blank(["[deleted]", None, None, None])


@dataclass(frozen=True, slots=True)
class Written:
    """What one batch changed: rows that were new, and rows that replaced an older state."""

    added: int = 0
    replaced: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.added + other.added, self.replaced + other.replaced)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns ready for COPY, and where they go; ``wanted`` are the rows that are to be written."""

    ids: Int64
    wanted: Bool
    fixed: list[Fixed]
    tails: Tails
    table: str


class Writer:
    """Writes batches on one connection, which holds the lock on references meanwhile.

    ``skip_unchanged``: a row that says what is stored already is not written again, whatever its time; its
    time is kept beside it. Memory is bounded by the batch and the names remembered; time is linear in its
    rows, with one index look-up for each id that is not greater than every id in the table.
    """

    def __init__(self, connection: Connection, *, skip_unchanged: bool = False) -> None:
        self._connection = connection
        self._skip_unchanged = skip_unchanged
        self.names = Names(connection)
        for name in ("stage_comments", "stage_posts", "stage_interactions"):
            connection.execute(query("store", name))

    def write(self, prepared: Prepared, *, file_id: int = 0) -> Written:
        """Write one batch; ``file_id`` names the file that a CSV's pairs are counted under."""
        try:
            return self._write(prepared, file_id)
        except BaseException:
            # The caller's transaction is gone, and with it names that this batch had added.
            self.names.forget()
            raise

    def _write(self, prepared: Prepared, file_id: int) -> Written:
        batch = prepared.batch
        subreddits = self.names.ids("subreddits", batch.subreddit_names)
        match batch:
            case CommentBatch():
                users = self.names.ids("users", batch.author_names)
                self._placeholders(batch, subreddits)
                gone = self._gone("comment", batch, users)
                return self._upsert(_comment_rows(batch, prepared.tails, subreddits, users, gone))
            case PostBatch():
                users = self.names.ids("users", batch.author_names)
                gone = self._gone("post", batch, users)
                return self._upsert(_post_rows(batch, prepared.tails, subreddits, users, gone))
            case InteractionBatch():
                users = self.names.ids("users", batch.usernames)
                return self._interactions(batch, subreddits, users, file_id)

    def _gone(self, kind: tombstones.Thing, batch: CommentBatch | PostBatch, users: Int32) -> Bool:
        """Which rows are to be written without author and text."""
        gone = tombstones.gone_things(self._connection, kind, batch.id.tolist())
        rows = np.isin(batch.id, gone) if gone else np.zeros(len(batch.id), np.bool_)
        if (users == FORGOTTEN).any():
            rows |= (batch.author >= 0) & (users[batch.author] == FORGOTTEN)
        return rows

    def _placeholders(self, batch: CommentBatch, subreddits: Int32) -> None:
        """Posts that comments name and nobody has seen; of several subreddits the first by name."""
        rank = np.empty(len(batch.subreddit_names), np.int32)
        by_name = sorted(range(len(rank)), key=lambda i: batch.subreddit_names[i].lower())
        rank[by_name] = np.arange(len(rank), dtype=np.int32)
        order = np.lexsort((rank[batch.subreddit], batch.post_id))
        order = order[subreddits[batch.subreddit[order]] >= 0]
        ids, first = np.unique(batch.post_id[order], return_index=True)
        subreddit = subreddits[batch.subreddit[order][first]]
        known, seen, there = self._known_posts(ids)
        place = np.searchsorted(ids, known)
        is_new = np.ones(len(ids), np.bool_)
        is_new[place] = False
        new = np.flatnonzero(is_new)
        columns = [Fixed(ids), Fixed(subreddit), Fixed(np.ones(len(ids), np.bool_))]
        elsewhere = place[~seen & (there != subreddit[place])]
        if not self._copy("copy_placeholders", columns, None, new):
            elsewhere = np.arange(len(ids))
        if len(elsewhere):
            self._stage_placeholders(ids, subreddit, elsewhere)

    def _stage_placeholders(self, ids: Int64, subreddit: Int32, rows: Int64) -> None:
        n = len(ids)
        none, zero = np.ones(n, np.bool_), np.zeros(n, np.int64)
        zero4 = np.zeros(n, np.int32)
        no_texts = Tails.of([Text(b"", zero, none)] * 4)
        columns = [
            Fixed(ids),
            Fixed(subreddit),
            Fixed(zero4, none),
            Fixed(zero4, none),
            Fixed(zero, none),
            Fixed(zero, none),
            Fixed(none, none),
            Fixed(none),
            Fixed(zero4),
        ]
        self._send("copy_staged_posts", columns, no_texts, rows)
        self._connection.execute(query("store", "merge_placeholders"))
        self._connection.execute(query("store", "clear_staged_posts"))

    def _upsert(self, rows: _Rows) -> Written:
        """New ids by COPY, the rest by staging and merge; the same id twice in a batch in two rounds."""
        ids = rows.ids
        known = np.array(self._known(rows.table, np.unique(ids))[0], np.int64)
        order = np.argsort(ids, kind="stable")
        first = np.r_[True, np.diff(ids[order]) != 0] if len(ids) else np.zeros(0, np.bool_)
        place = np.arange(len(ids))
        occurrence = np.empty(len(ids), np.int32)
        occurrence[order] = place - np.maximum.accumulate(np.where(first, place, 0))
        is_new = (occurrence == 0) & ~np.isin(ids, known) & rows.wanted
        new = order[is_new[order]]
        if not self._copy(f"copy_{rows.table}s", rows.fixed, rows.tails, new):
            is_new[:] = False
            new = new[:0]
        rest = np.flatnonzero(~is_new & rows.wanted)
        return Written(len(new), 0) + (self._merge(rows, rest, occurrence) if len(rest) else Written())

    def _merge(self, rows: _Rows, chosen: Int64, occurrence: Int32) -> Written:
        fixed = list(rows.fixed)
        if rows.table == "post":
            fixed.append(Fixed(np.zeros(len(rows.ids), np.bool_)))
        fixed.append(Fixed(occurrence))
        self._send(f"copy_staged_{rows.table}s", fixed, rows.tails, chosen)
        if self._skip_unchanged:
            self._connection.execute(query("store", f"pass_over_unchanged_{rows.table}s"))
        done = Written()
        for round_ in np.unique(occurrence[chosen]).tolist():
            merged = self._connection.execute(query("store", f"merge_{rows.table}s"), {"round": round_})
            added, replaced = merged.fetchone() or (0, 0)
            done += Written(added, replaced)
        self._connection.execute(query("store", f"clear_staged_{rows.table}s"))
        return done

    def _known(self, table: str, ids: Int64) -> list[list[int]]:
        """Columns of what is known of these ids; those beyond the greatest one are not even asked for."""
        newest = self._connection.execute(query("store", f"newest_{table}")).fetchone()
        asked = ids[ids <= (newest[0] if newest else -1)]
        array = "{" + ",".join(map(str, asked.tolist())) + "}"
        row = self._connection.execute(query("store", f"known_{table}s"), {"ids": array}).fetchone()
        return [column or [] for column in row or ()]

    def _known_posts(self, ids: Int64) -> tuple[Int64, Bool, Int32]:
        """Ids that are there, whether they were seen themselves, and their subreddits."""
        known, placeholder, subreddit = self._known("post", ids)
        return np.array(known, np.int64), ~np.array(placeholder, np.bool_), np.array(subreddit, np.int32)

    def _interactions(
        self, batch: InteractionBatch, subreddits: Int32, users: Int32, file_id: int
    ) -> Written:
        user, subreddit = users[batch.user], subreddits[batch.subreddit]
        columns = [Fixed(user), Fixed(subreddit), Fixed(batch.n.astype(np.int32))]
        wanted = np.flatnonzero((user >= 0) & (subreddit >= 0))
        self._send("copy_staged_interactions", columns, None, wanted)
        merged = self._connection.execute(query("store", "merge_interactions"), {"file_id": file_id})
        added, replaced = merged.fetchone() or (0, 0)
        self._connection.execute(query("store", "clear_staged_interactions"))
        return Written(added, replaced)

    def _copy(self, statement: str, fixed: list[Fixed], tails: Tails | None, rows: Int64) -> bool:
        """COPY into a table itself; False, with nothing written, where another writer was quicker."""
        if not len(rows):
            return True
        try:
            with self._connection.transaction():
                self._send(statement, fixed, tails, rows)
        except pg.UniqueViolation:
            return False
        return True

    def _send(self, statement: str, fixed: list[Fixed], tails: Tails | None, rows: Int64) -> None:
        binary_copy.send(self._connection, query("store", statement), fixed, tails, [rows])


def _comment_rows(batch: CommentBatch, tails: Tails, subreddits: Int32, users: Int32, gone: Bool) -> _Rows:
    subreddit = subreddits[batch.subreddit]
    fixed = [
        Fixed(batch.id),
        Fixed(batch.post_id),
        Fixed(batch.parent_id, batch.parent_id < 0),
        Fixed(subreddit),
        _authors(batch.author, users, gone),
        Fixed(batch.score, batch.score == NO_SCORE),
        Fixed(batch.created_at),
        Fixed(batch.retrieved_at, batch.retrieved_at == NO_TIME),
    ]
    told = tails.replaced(np.flatnonzero(gone), _GONE_COMMENT)
    return _Rows(batch.id, subreddit >= 0, fixed, told, "comment")


def _post_rows(batch: PostBatch, tails: Tails, subreddits: Int32, users: Int32, gone: Bool) -> _Rows:
    subreddit = subreddits[batch.subreddit]
    fixed = [
        Fixed(batch.id),
        Fixed(subreddit),
        _authors(batch.author, users, gone),
        Fixed(batch.score, batch.score == NO_SCORE),
        Fixed(batch.created_at),
        Fixed(batch.retrieved_at, batch.retrieved_at == NO_TIME),
        Fixed(batch.is_self == 1, batch.is_self < 0),
    ]
    told = tails.replaced(np.flatnonzero(gone), _GONE_POST)
    return _Rows(batch.id, subreddit >= 0, fixed, told, "post")


def _authors(author: Int32, users: Int32, gone: Bool) -> Fixed:
    if not len(users):
        return Fixed(np.zeros(len(author), np.int32), np.ones(len(author), np.bool_))
    ids = users[np.where(author < 0, 0, author)]
    return Fixed(ids, (author < 0) | (ids < 0) | gone)
