"""Batches of rows into the base tables, each batch in one transaction with its checkpoint.

New ids go straight into the table by binary COPY; ids that are there already go through a staging table
and are merged by the rule at the head of ``sql/import.sql``. A name is looked up once, under the lock that
those who delete rows take exclusively and that is held until the session ends, so that no row can refer to
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psycopg import errors as pg

from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.dumps.batches import (
    NO_SCORE,
    NO_TIME,
    CommentBatch,
    InteractionBatch,
    PostBatch,
)
from redclust.ops.import_.copy_rows import HEADER, TRAILER, Fixed, Int64, Tails, Text, encode
from redclust.ops.import_.prepared import Prepared
from redclust.sql import query

#: Names whose ids are kept at hand, of subreddits and of users each: some 100 MB.
_REMEMBERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """What one batch changed: rows that were new, and rows that replaced an older state."""

    added: int = 0
    replaced: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.added + other.added, self.replaced + other.replaced)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns ready for COPY, and where they go."""

    ids: Int64
    fixed: list[Fixed]
    tails: Tails
    table: str


class Writer:
    """Writes batches on one connection; a batch belongs into a transaction of the caller's.

    Memory is bounded by the batch and ``_REMEMBERED`` names; time is linear in its rows, with one index
    look-up for each id that is not greater than every id in the table.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known_names: dict[str, dict[str, int]] = {"subreddit": {}, "user": {}}
        connection.execute(
            query("db", "lock_references_shared"), {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
        )
        for name in ("stage_comments", "stage_posts", "stage_interactions"):
            connection.execute(query("import", name))

    def write(self, prepared: Prepared, *, file_id: int) -> Written:
        """Write one batch; ``file_id`` names the file that a CSV's pairs are counted under."""
        try:
            return self._write(prepared, file_id)
        except BaseException:
            # The caller's transaction is gone, and with it names that this batch had added.
            for known in self._known_names.values():
                known.clear()
            raise

    def _write(self, prepared: Prepared, file_id: int) -> Written:
        batch = prepared.batch
        subreddits = self._ids("subreddit", batch.subreddit_names)
        match batch:
            case CommentBatch():
                users = self._ids("user", batch.author_names)
                self._placeholders(batch, subreddits)
                return self._upsert(_comment_rows(batch, prepared.tails, subreddits, users))
            case PostBatch():
                users = self._ids("user", batch.author_names)
                return self._upsert(_post_rows(batch, prepared.tails, subreddits, users))
            case InteractionBatch():
                users = self._ids("user", batch.usernames)
                return self._interactions(batch, subreddits, users, file_id)

    def _ids(self, what: str, names: Sequence[str]) -> npt.NDArray[np.int32]:
        known = self._known_names[what]
        if len(known) > _REMEMBERED:
            known.clear()
        new: list[str] = [name for name in names if name not in known]
        # A second look is needed only where another writer added a name while the first was on its way.
        for _ in range(2):
            if new:
                known.update(self._resolve(what, new))
                new = [name for name in new if name not in known]
        return np.array([known[name] for name in names], np.int32)

    def _resolve(self, what: str, names: list[str]) -> dict[str, int]:
        values = {"names": "\n".join(names)}
        row = self._connection.execute(query("import", f"resolve_{what}s"), values).fetchone()
        if row is None or row[0] is None:
            return {}
        asked, ids, written, _ = row
        if any(ours < theirs for ours, theirs in zip(asked, written, strict=True)):
            self._connection.execute(query("import", f"respell_{what}s"), values)
        return dict(zip(asked, ids, strict=True))

    def _placeholders(self, batch: CommentBatch, subreddits: npt.NDArray[np.int32]) -> None:
        """Posts that comments name and nobody has seen; of several subreddits the first by name."""
        rank = np.empty(len(batch.subreddit_names), np.int32)
        by_name = sorted(range(len(rank)), key=lambda i: batch.subreddit_names[i].lower())
        rank[by_name] = np.arange(len(rank), dtype=np.int32)
        order = np.lexsort((rank[batch.subreddit], batch.post_id))
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

    def _stage_placeholders(self, ids: Int64, subreddit: npt.NDArray[np.int32], rows: Int64) -> None:
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
        self._connection.execute(query("import", "merge_placeholders"))
        self._connection.execute(query("import", "clear_staged_posts"))

    def _upsert(self, rows: _Rows) -> Written:
        """New ids by COPY, the rest by staging and merge; the same id twice in a batch in two rounds."""
        ids = rows.ids
        known = np.array(self._known(rows.table, np.unique(ids))[0], np.int64)
        order = np.argsort(ids, kind="stable")
        first = np.r_[True, np.diff(ids[order]) != 0] if len(ids) else np.zeros(0, np.bool_)
        place = np.arange(len(ids))
        occurrence = np.empty(len(ids), np.int32)
        occurrence[order] = place - np.maximum.accumulate(np.where(first, place, 0))
        is_new = (occurrence == 0) & ~np.isin(ids, known)
        new = order[is_new[order]]
        if not self._copy(f"copy_{rows.table}s", rows.fixed, rows.tails, new):
            is_new[:] = False
            new = new[:0]
        rest = np.flatnonzero(~is_new)
        return Written(len(new), 0) + (self._merge(rows, rest, occurrence) if len(rest) else Written())

    def _merge(self, rows: _Rows, chosen: Int64, occurrence: npt.NDArray[np.int32]) -> Written:
        fixed = list(rows.fixed)
        if rows.table == "post":
            fixed.append(Fixed(np.zeros(len(rows.ids), np.bool_)))
        fixed.append(Fixed(occurrence))
        self._send(f"copy_staged_{rows.table}s", fixed, rows.tails, chosen)
        done = Written()
        for round_ in np.unique(occurrence[chosen]).tolist():
            merged = self._connection.execute(query("import", f"merge_{rows.table}s"), {"round": round_})
            added, replaced = merged.fetchone() or (0, 0)
            done += Written(added, replaced)
        self._connection.execute(query("import", f"clear_staged_{rows.table}s"))
        return done

    def _known(self, table: str, ids: Int64) -> list[list[int]]:
        """Columns of what is known of these ids; those beyond the greatest one are not even asked for."""
        newest = self._connection.execute(query("import", f"newest_{table}")).fetchone()
        asked = ids[ids <= (newest[0] if newest else -1)]
        array = "{" + ",".join(map(str, asked.tolist())) + "}"
        row = self._connection.execute(query("import", f"known_{table}s"), {"ids": array}).fetchone()
        return [column or [] for column in row or ()]

    def _known_posts(self, ids: Int64) -> tuple[Int64, npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
        """Ids that are there, whether they were seen themselves, and their subreddits."""
        known, placeholder, subreddit = self._known("post", ids)
        return np.array(known, np.int64), ~np.array(placeholder, np.bool_), np.array(subreddit, np.int32)

    def _interactions(
        self,
        batch: InteractionBatch,
        subreddits: npt.NDArray[np.int32],
        users: npt.NDArray[np.int32],
        file_id: int,
    ) -> Written:
        columns = [
            Fixed(users[batch.user]),
            Fixed(subreddits[batch.subreddit]),
            Fixed(batch.n.astype(np.int32)),
        ]
        self._send("copy_staged_interactions", columns, None, np.arange(len(batch.n)))
        merged = self._connection.execute(query("import", "merge_interactions"), {"file_id": file_id})
        added, replaced = merged.fetchone() or (0, 0)
        self._connection.execute(query("import", "clear_staged_interactions"))
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
        with self._connection.cursor().copy(query("import", statement)) as copy:
            copy.write(HEADER)
            for block in _pieces(encode(fixed, tails, rows)):
                copy.write(block)
            copy.write(TRAILER)


def _pieces(blocks: Iterable[bytes], size: int = 1 << 20) -> Iterable[memoryview]:
    # libpq copies what it is given into its own buffer: large blocks would be held twice.
    for block in blocks:
        view = memoryview(block)
        for start in range(0, len(view), size):
            yield view[start : start + size]


def _comment_rows(
    batch: CommentBatch, tails: Tails, subreddits: npt.NDArray[np.int32], users: npt.NDArray[np.int32]
) -> _Rows:
    fixed = [
        Fixed(batch.id),
        Fixed(batch.post_id),
        Fixed(batch.parent_id, batch.parent_id < 0),
        Fixed(subreddits[batch.subreddit]),
        _authors(batch.author, users),
        Fixed(batch.score, batch.score == NO_SCORE),
        Fixed(batch.created_at),
        Fixed(batch.retrieved_at, batch.retrieved_at == NO_TIME),
    ]
    return _Rows(batch.id, fixed, tails, "comment")


def _post_rows(
    batch: PostBatch, tails: Tails, subreddits: npt.NDArray[np.int32], users: npt.NDArray[np.int32]
) -> _Rows:
    fixed = [
        Fixed(batch.id),
        Fixed(subreddits[batch.subreddit]),
        _authors(batch.author, users),
        Fixed(batch.score, batch.score == NO_SCORE),
        Fixed(batch.created_at),
        Fixed(batch.retrieved_at, batch.retrieved_at == NO_TIME),
        Fixed(batch.is_self == 1, batch.is_self < 0),
    ]
    return _Rows(batch.id, fixed, tails, "post")


def _authors(author: npt.NDArray[np.int32], users: npt.NDArray[np.int32]) -> Fixed:
    absent = author < 0
    if not len(users):
        return Fixed(np.zeros(len(author), np.int32), absent)
    return Fixed(users[np.where(absent, 0, author)], absent)
