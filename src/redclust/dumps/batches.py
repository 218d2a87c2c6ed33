"""What the readers give: batches of columns, each with the place in the file up to which it reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

#: Marks a time that is not known, in microseconds since 2000.
NO_TIME = -(2**63)
#: Marks a score that is not known.
NO_SCORE = -(2**31)
#: Of a rejected line as much as this is kept.
RAW_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place between two lines of a file.

    ``offset_bytes`` and ``crc32`` (zlib's) are of the decompressed bytes before it, so that a later run can
    prove that it reads the same file; ``line`` is the number of lines before it; ``read_bytes`` is how much
    of the compressed file had been consumed.
    """

    offset_bytes: int = 0
    line: int = 0
    crc32: int = 0
    read_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is not a row: its number from 1, where it begins (decompressed), and its first 64 KiB."""

    line: int
    offset_bytes: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class TextColumn:
    """UTF-8 texts in one piece: text i is ``data[end[i - 1]:end[i]]``; where not ``present`` it is NULL."""

    data: bytes
    end: Int64
    present: Bool


@dataclass(frozen=True, slots=True)
class Extent:
    """What part of a file a batch covers.

    ``rows_read`` counts the lines that are not blank (without a CSV's header), so that it is the rows of
    the batch + ``rows_filtered`` + the rejects.
    """

    checkpoint: Checkpoint
    rows_read: int
    rows_filtered: int
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class CommentBatch(Extent):
    """Comments, in the file's order.

    Names are distinct by lower case, each in the spelling of the batch that sorts first. Shapes: n rows;
    ``subreddit`` and ``author`` index the names, author -1 is none; ``parent_id`` is a comment's, -1 where
    the post itself is answered; times are microseconds since 2000-01-01 UTC, ``NO_TIME`` where absent;
    ``score`` is ``NO_SCORE`` where absent; body i is ``text[text_end[i - 1]:text_end[i]]``.
    """

    subreddit_names: list[str]
    author_names: list[str]
    id: Int64
    post_id: Int64
    parent_id: Int64
    subreddit: Int32
    author: Int32
    created_at: Int64
    retrieved_at: Int64
    score: Int32
    text: bytes
    text_end: Int64


@dataclass(frozen=True, slots=True)
class PostBatch(Extent):
    """Submissions, in the file's order; columns as in :class:`CommentBatch`.

    ``is_self`` is 1, 0, or -1 where unknown; ``title`` is always present.
    """

    subreddit_names: list[str]
    author_names: list[str]
    id: Int64
    subreddit: Int32
    author: Int32
    created_at: Int64
    retrieved_at: Int64
    score: Int32
    is_self: Int8
    title: TextColumn
    selftext: TextColumn
    url: TextColumn
    flair: TextColumn


@dataclass(frozen=True, slots=True)
class InteractionBatch(Extent):
    """Rows of a CSV of interactions: ``user`` and ``subreddit`` index the names, ``n`` is 1 to 2^31 - 1."""

    usernames: list[str]
    subreddit_names: list[str]
    user: Int32
    subreddit: Int32
    n: Int64


Batch = CommentBatch | PostBatch | InteractionBatch
