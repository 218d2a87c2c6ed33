"""Objects of Reddit's API, as PRAW's session gives them, to the batches that dumps are read into."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from redclust.dumps.batches import Checkpoint, CommentBatch, PostBatch
from redclust.dumps.comments import CommentRows
from redclust.dumps.lines import Block
from redclust.dumps.rows import Filters
from redclust.dumps.submissions import SubmissionRows

Fields = Mapping[str, Any]

#: Big parts of an object that no column is made of.
_PASSED_OVER = frozenset({"replies", "body_html", "selftext_html", "media", "media_metadata", "preview"})
_DAY_S = 86_400


def post_batch(things: Sequence[Fields], *, retrieved_s: float | None = None) -> PostBatch:
    """Submissions (``t3``) as rows, seen at ``retrieved_s`` (Unix time; now).

    Things that are no rows are the batch's rejects: a reject's ``line`` is the place in ``things``, from 1.
    """
    rows = SubmissionRows(Filters(), latest_s=time.time() + _DAY_S)
    if things:
        rows.add(_block(things, retrieved_s))
    return rows.finish(Checkpoint())


def comment_batch(things: Sequence[Fields], *, retrieved_s: float | None = None) -> CommentBatch:
    """Comments (``t1``) as rows; as :func:`post_batch`."""
    rows = CommentRows(Filters(), latest_s=time.time() + _DAY_S)
    if things:
        rows.add(_block(things, retrieved_s))
    return rows.finish(Checkpoint())


def _block(things: Sequence[Fields], retrieved_s: float | None) -> Block:
    seen = {"retrieved_on": time.time() if retrieved_s is None else retrieved_s, "retrieved_utc": None}
    lines = [_line({**thing, **seen}) for thing in things]
    end = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64) - 1
    start = np.concatenate([np.zeros(1, np.int64), end[:-1] + 1])
    return Block(b"\n".join(lines) + b"\n", start, end, line=0, offset_bytes=0, ended=True)


def _line(thing: Fields) -> bytes:
    # In ASCII: half of a surrogate pair, which JSON may hold, has no other form.
    return json.dumps({key: value for key, value in thing.items() if key not in _PASSED_OVER}).encode()
