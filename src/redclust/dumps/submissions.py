"""Submission dumps (RS)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from redclust.dumps.batches import Checkpoint, PostBatch
from redclust.dumps.objects import Columns, ObjectRows, Thing
from redclust.dumps.rows import Checks


class Submission(Thing, kw_only=True, gc=False):
    is_self: bool | None = None
    link_flair_text: str | None = None
    selftext: str | None = None
    title: str
    url: str | None = None


class SubmissionRows(ObjectRows[Submission]):
    _type = Submission
    _decoder = msgspec.json.Decoder(Submission)

    def _own_columns(self, rows: Sequence[Submission], checks: Checks) -> Columns:
        known = [-1 if row.is_self is None else row.is_self for row in rows]
        return {"is_self": np.fromiter(known, np.int8, len(rows))}

    def _own_texts(self, rows: Sequence[Submission]) -> dict[str, Sequence[str | None]]:
        return {
            "title": [row.title for row in rows],
            "selftext": [row.selftext for row in rows],
            "url": [row.url for row in rows],
            "flair": [row.link_flair_text for row in rows],
        }

    def finish(self, checkpoint: Checkpoint) -> PostBatch:
        subreddit_names, subreddit = self._subreddits.distinct(self._column("subreddit", np.int32))
        author_names, author = self._authors.distinct(self._column("author", np.int32))
        return PostBatch(
            *self._extent(checkpoint),
            subreddit_names=subreddit_names,
            author_names=author_names,
            id=self._column("id", np.int64),
            subreddit=subreddit,
            author=author,
            created_at=self._column("created_at", np.int64),
            retrieved_at=self._column("retrieved_at", np.int64),
            score=self._column("score", np.int32),
            is_self=self._column("is_self", np.int8),
            title=self._text_column("title"),
            selftext=self._text_column("selftext"),
            url=self._text_column("url"),
            flair=self._text_column("flair"),
        )
