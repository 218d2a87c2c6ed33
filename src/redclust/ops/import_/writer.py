"""Batches of rows into the base tables, each batch in one transaction with its checkpoint.

New ids go straight into the table by binary COPY; ids that are there already go through a staging table
and are merged by the rule at the head of ``sql/import.sql``. Names are looked up once a batch, under the
lock that those who delete rows take exclusively, so that no row can refer to nothing.
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
    TextColumn,
)
from redclust.ops.import_.copy_rows import HEADER, TRAILER, Fixed, Int64, Text, encode
from redclust.sql import query


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
    texts: list[Text]
    table: str


class Writer:
    """Writes batches on one connection; a batch belongs into a transaction of the caller's.

    Memory is bounded by the batch; time is linear in its rows, with one index look-up for each id that is
    not greater than every id in the table.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for name in ("stage_comments", "stage_posts", "stage_interactions"):
            connection.execute(query("import", name))

    def write(self, batch: CommentBatch | PostBatch | InteractionBatch, *, file_id: int) -> Written:
        """Write one batch; ``file_id`` names the file that a CSV's pairs are counted under."""
        self._connection.execute(
            query("db", "lock_references_shared"), {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
        )
        subreddits = self._ids("subreddit", batch.subreddit_names)
        match batch:
            case CommentBatch():
                users = self._ids("user", batch.author_names)
                self._placeholders(batch, subreddits)
                return self._upsert(_comment_rows(batch, subreddits, users))
            case PostBatch():
                users = self._ids("user", batch.author_names)
                return self._upsert(_post_rows(batch, subreddits, users))
            case InteractionBatch():
                users = self._ids("user", batch.usernames)
                return self._interactions(batch, subreddits, users, file_id)

    def _ids(self, what: str, names: Sequence[str]) -> npt.NDArray[np.int32]:
        if not names:
            return np.zeros(0, np.int32)
        values = {"names": "\n".join(names)}
        found = self._connection.execute(query("import", f"{what}_ids"), values).fetchone()
        if found is None or found[0] is None or len(found[0]) < len(names):
            self._connection.execute(query("import", f"add_{what}s"), values)
            found = self._connection.execute(query("import", f"{what}_ids"), values).fetchone()
        if found is None or len(found[0]) != len(names):
            raise RuntimeError(f"{len(names)} {what} names were added and not found again")
        if any(ours < theirs for ours, theirs in zip(names, found[1], strict=True)):
            self._connection.execute(query("import", f"respell_{what}s"), values)
        return np.array(found[0], np.int32)

    def _placeholders(self, batch: CommentBatch, subreddits: npt.NDArray[np.int32]) -> None:
        """Posts that comments name and nobody has seen; of several subreddits the first by name."""
        rank = np.empty(len(batch.subreddit_names), np.int32)
        by_name = sorted(range(len(rank)), key=lambda i: batch.subreddit_names[i].lower())
        rank[by_name] = np.arange(len(rank), dtype=np.int32)
        order = np.lexsort((rank[batch.subreddit], batch.post_id))
        ids, first = np.unique(batch.post_id[order], return_index=True)
        subreddit = subreddits[batch.subreddit[order][first]]
        known = self._known("post", ids)
        found = {row[0]: row[2] for row in known if row[1]}
        is_known = np.isin(ids, [row[0] for row in known])
        new = np.flatnonzero(~is_known)
        true = np.ones(len(ids), np.bool_)
        columns = [Fixed(ids), Fixed(subreddit), Fixed(true)]
        elsewhere = np.array(
            [i for i in np.flatnonzero(is_known) if found.get(int(ids[i]), subreddit[i]) != subreddit[i]],
            np.int64,
        )
        if not self._copy("copy_placeholders", columns, [], new):
            elsewhere = np.arange(len(ids))
        if len(elsewhere):
            self._stage_placeholders(ids, subreddit, elsewhere)

    def _stage_placeholders(self, ids: Int64, subreddit: npt.NDArray[np.int32], rows: Int64) -> None:
        n = len(ids)
        none, zero = np.ones(n, np.bool_), np.zeros(n, np.int64)
        zero4, end = np.zeros(n, np.int32), np.zeros(n, np.int64)
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
        self._send("copy_staged_posts", columns, [Text(b"", end, none)] * 4, rows)
        self._connection.execute(query("import", "merge_placeholders"))
        self._connection.execute(query("import", "clear_staged_posts"))

    def _upsert(self, rows: _Rows) -> Written:
        """New ids by COPY, the rest by staging and merge; the same id twice in a batch in two rounds."""
        ids = rows.ids
        known = np.array([row[0] for row in self._known(rows.table, np.unique(ids))], np.int64)
        order = np.argsort(ids, kind="stable")
        first = np.r_[True, np.diff(ids[order]) != 0] if len(ids) else np.zeros(0, np.bool_)
        place = np.arange(len(ids))
        occurrence = np.empty(len(ids), np.int32)
        occurrence[order] = place - np.maximum.accumulate(np.where(first, place, 0))
        is_new = (occurrence == 0) & ~np.isin(ids, known)
        new = order[is_new[order]]
        if not self._copy(f"copy_{rows.table}s", rows.fixed, rows.texts, new):
            is_new[:] = False
            new = new[:0]
        rest = np.flatnonzero(~is_new)
        return Written(len(new), 0) + (self._merge(rows, rest, occurrence) if len(rest) else Written())

    def _merge(self, rows: _Rows, chosen: Int64, occurrence: npt.NDArray[np.int32]) -> Written:
        fixed = list(rows.fixed)
        if rows.table == "post":
            fixed.append(Fixed(np.zeros(len(rows.ids), np.bool_)))
        fixed.append(Fixed(occurrence))
        self._send(f"copy_staged_{rows.table}s", fixed, rows.texts, chosen)
        done = Written()
        for round_ in np.unique(occurrence[chosen]).tolist():
            merged = self._connection.execute(query("import", f"merge_{rows.table}s"), {"round": round_})
            added, replaced = merged.fetchone() or (0, 0)
            done += Written(added, replaced)
        self._connection.execute(query("import", f"clear_staged_{rows.table}s"))
        return done

    def _known(self, table: str, ids: Int64) -> list[tuple[int, ...]]:
        """Rows of the ids that are there; ids beyond the greatest one are not even asked for."""
        newest = self._connection.execute(query("import", f"newest_{table}")).fetchone()
        asked = ids[ids <= (newest[0] if newest else -1)]
        if not len(asked):
            return []
        array = "{" + ",".join(map(str, asked.tolist())) + "}"
        return self._connection.execute(query("import", f"known_{table}s"), {"ids": array}).fetchall()

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
        self._send("copy_staged_interactions", columns, [], np.arange(len(batch.n)))
        merged = self._connection.execute(query("import", "merge_interactions"), {"file_id": file_id})
        added, replaced = merged.fetchone() or (0, 0)
        self._connection.execute(query("import", "clear_staged_interactions"))
        return Written(added, replaced)

    def _copy(self, statement: str, fixed: list[Fixed], texts: list[Text], rows: Int64) -> bool:
        """COPY into a table itself; False, with nothing written, where another writer was quicker."""
        if not len(rows):
            return True
        try:
            with self._connection.transaction():
                self._send(statement, fixed, texts, rows)
        except pg.UniqueViolation:
            return False
        return True

    def _send(self, statement: str, fixed: list[Fixed], texts: list[Text], rows: Int64) -> None:
        with self._connection.cursor().copy(query("import", statement)) as copy:
            copy.write(HEADER)
            for block in _pieces(encode(fixed, texts, rows)):
                copy.write(block)
            copy.write(TRAILER)


def _pieces(blocks: Iterable[bytes], size: int = 1 << 20) -> Iterable[memoryview]:
    # libpq copies what it is given into its own buffer: large blocks would be held twice.
    for block in blocks:
        view = memoryview(block)
        for start in range(0, len(view), size):
            yield view[start : start + size]


def _comment_rows(
    batch: CommentBatch, subreddits: npt.NDArray[np.int32], users: npt.NDArray[np.int32]
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
    return _Rows(batch.id, fixed, [Text(batch.text, batch.text_end)], "comment")


def _post_rows(batch: PostBatch, subreddits: npt.NDArray[np.int32], users: npt.NDArray[np.int32]) -> _Rows:
    fixed = [
        Fixed(batch.id),
        Fixed(subreddits[batch.subreddit]),
        _authors(batch.author, users),
        Fixed(batch.score, batch.score == NO_SCORE),
        Fixed(batch.created_at),
        Fixed(batch.retrieved_at, batch.retrieved_at == NO_TIME),
        Fixed(batch.is_self == 1, batch.is_self < 0),
    ]
    return _Rows(
        batch.id, fixed, [_text(c) for c in (batch.title, batch.selftext, batch.url, batch.flair)], "post"
    )


def _authors(author: npt.NDArray[np.int32], users: npt.NDArray[np.int32]) -> Fixed:
    absent = author < 0
    if not len(users):
        return Fixed(np.zeros(len(author), np.int32), absent)
    return Fixed(users[np.where(absent, 0, author)], absent)


def _text(column: TextColumn) -> Text:
    return Text(column.data, column.end, ~column.present)
