"""Batches as the writer wants them: texts already in the form of COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from redclust.db.binary_copy import Tails, Text
from redclust.dumps.batches import Batch, CommentBatch, InteractionBatch, PostBatch, TextColumn
from redclust.dumps.read import Head

_NO_COLUMN = TextColumn(b"", np.zeros(0, np.int64), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch whose texts are in ``tails`` and no longer in the batch."""

    batch: Batch
    tails: Tails


def prepared(items: Iterable[Head | Batch]) -> Iterator[Head | Prepared]:
    """Prepare batches as they come; a head is passed on."""
    for item in items:
        match item:
            case Head():
                yield item
            case CommentBatch():
                texts = Tails.of([Text(item.text, item.text_end)])
                yield Prepared(replace(item, text=b"", text_end=_NO_COLUMN.end), texts)
            case PostBatch():
                columns = (item.title, item.selftext, item.url, item.flair)
                texts = Tails.of([Text(c.data, c.end, ~c.present) for c in columns])
                bare = replace(item, title=_NO_COLUMN, selftext=_NO_COLUMN, url=_NO_COLUMN, flair=_NO_COLUMN)
                yield Prepared(bare, texts)
            case InteractionBatch():
                yield Prepared(item, Tails(b"", _NO_COLUMN.end, 0))
