"""Comment dumps (RC)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec
import numpy as np

from redclust.dumps.batches import Bool, Checkpoint, CommentBatch, Int64
from redclust.dumps.columns import Packed
from redclust.dumps.objects import Columns, ObjectRows, Thing
from redclust.dumps.reasons import Reason
from redclust.dumps.rows import Checks


class Comment(Thing, kw_only=True, gc=False):
    body: str
    link_id: str
    parent_id: str | int | None = None


class CommentRows(ObjectRows[Comment]):
    _type = Comment
    _decoder = msgspec.json.Decoder(Comment)

    def _own_columns(self, rows: Sequence[Comment], checks: Checks) -> Columns:
        post_id, post_fits = Packed.of([row.link_id for row in rows]).without(b"t3_").base36()
        checks.require(post_fits, Reason.BAD_LINK_ID)
        parent_id, parent_fits = _parents([row.parent_id for row in rows])
        checks.require(parent_fits, Reason.BAD_PARENT_ID)
        return {"post_id": post_id, "parent_id": parent_id}

    def _own_texts(self, rows: Sequence[Comment]) -> dict[str, Sequence[str | None]]:
        return {"body": [row.body for row in rows]}

    def finish(self, checkpoint: Checkpoint) -> CommentBatch:
        subreddit_names, subreddit = self._subreddits.distinct(self._column("subreddit", np.int32))
        author_names, author = self._authors.distinct(self._column("author", np.int32))
        body = self._text_column("body")
        return CommentBatch(
            *self._extent(checkpoint),
            subreddit_names=subreddit_names,
            author_names=author_names,
            id=self._column("id", np.int64),
            post_id=self._column("post_id", np.int64),
            parent_id=self._column("parent_id", np.int64),
            subreddit=subreddit,
            author=author,
            created_at=self._column("created_at", np.int64),
            retrieved_at=self._column("retrieved_at", np.int64),
            score=self._column("score", np.int32),
            text=body.data,
            text_end=body.end,
        )


def _parents(values: Sequence[str | int | None]) -> tuple[Int64, Bool]:
    """The comment that each row answers (-1: the post, or not told), and which values are ids.

    A text names a comment (``t1_``) or the post (``t3_``); a number is a comment's id in base 10.
    """
    try:
        packed = Packed.of(cast("Sequence[str]", values))
    except TypeError:
        packed = Packed.of([value if isinstance(value, str) else "" for value in values])
    of_comment, of_post = packed.has_prefix(b"t1_"), packed.has_prefix(b"t3_")
    prefixed = np.flatnonzero(of_comment | of_post)
    number, fits_base36 = Packed(
        packed.chars, packed.start[prefixed] + 3, packed.length[prefixed] - 3
    ).base36()
    parent_id = np.full(len(values), -1, np.int64)
    parent_id[prefixed] = np.where(of_comment[prefixed], number, -1)
    fits = packed.length == 0
    for i in np.flatnonzero(fits).tolist():
        value = values[i]
        if isinstance(value, int):
            fits[i] = 0 <= value < 2**63
            parent_id[i] = value if fits[i] else -1
    fits[prefixed] = fits_base36
    return parent_id, fits
