"""The CSV of interactions: ``username,subreddit,interactions``, columns in any order."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import numpy as np

from redclust.dumps.batches import Bool, Checkpoint, Int32, Int64, InteractionBatch
from redclust.dumps.columns import joined
from redclust.dumps.lines import Block
from redclust.dumps.names import NOBODY, NameIndex
from redclust.dumps.reasons import Reason
from redclust.dumps.rows import Checks, Filters, Rows

#: The columns of the header, by name.
COLUMNS = ("username", "subreddit", "interactions")

_GONE = frozenset(filter(None, NOBODY))
_COMMA = ord(",")
_MOST = 2**31 - 1


def split(line: bytes) -> list[str] | None:
    """The fields of a line, quoted ones too; None where it is no line of CSV.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    nothing: list[str] = []
    try:
        return next(csv.reader([line.decode()], strict=True), nothing)
    except csv.Error:
        return None


class InteractionRows(Rows):
    """One batch of interactions in the making; ``order`` is where the header has each of ``COLUMNS``."""

    def __init__(self, filters: Filters, *, order: Sequence[int], header_line: int) -> None:
        super().__init__()
        self._wanted = filters.subreddits
        self._order = order
        self._header_line = header_line
        self._usernames = NameIndex()
        self._subreddits = NameIndex()
        self._parts: list[tuple[Int32, Int32, Int64]] = []

    def add(self, block: Block) -> None:
        fields = _fields_of_plain(block) if block.line > self._header_line else None
        if fields is None:
            fields, lines = self._fields_of_each(block)
        else:
            lines = np.arange(len(block))
            self._rows_read += len(block)
        while len(lines):
            username, subreddit, n = (fields[place :: len(COLUMNS)] for place in self._order)
            unfit = self._append(username, subreddit, n)
            if not unfit:
                return
            for i, reason in unfit.items():
                self._refuse(block.reject(int(lines[i]), reason))
            fit = [i for i in range(len(lines)) if i not in unfit]
            fields = [value for i in fit for value in fields[i * len(COLUMNS) : (i + 1) * len(COLUMNS)]]
            lines = lines[fit]

    def add_cut(self, block: Block) -> bool:
        # A number can lose digits and still be one: the row cannot be trusted.
        try:
            fields = split(block.text(0))
        except UnicodeDecodeError:
            return False
        if fields is None or len(fields) != len(COLUMNS) or not fields[self._order[2]].isdecimal():
            return False
        self.reject(block.reject(0, Reason.CUT_LINE))
        return True

    def finish(self, checkpoint: Checkpoint) -> InteractionBatch:
        user = joined([part[0] for part in self._parts], np.int32)
        subreddit = joined([part[1] for part in self._parts], np.int32)
        usernames, user = self._usernames.distinct(user)
        subreddit_names, subreddit = self._subreddits.distinct(subreddit)
        n = joined([part[2] for part in self._parts], np.int64)
        return InteractionBatch(
            *self._extent(checkpoint),
            usernames=usernames,
            subreddit_names=subreddit_names,
            user=user,
            subreddit=subreddit,
            n=n,
        )

    def _append(
        self, usernames: Sequence[str], subreddits: Sequence[str], interactions: Sequence[str]
    ) -> dict[int, Reason]:
        """Append the rows; or, where some are unfit, append none and say which are and why."""
        checks = Checks()
        if not _GONE.isdisjoint(usernames):
            checks.refuse([i for i, name in enumerate(usernames) if name in _GONE], Reason.DELETED_USER)
        user, unfit = self._usernames.indices(usernames)
        checks.refuse(unfit, Reason.BAD_USERNAME)
        subreddit, unfit = self._subreddits.indices(subreddits)
        checks.refuse(unfit, Reason.BAD_SUBREDDIT)
        n, fits = _counts(interactions)
        checks.require(fits, Reason.BAD_INTERACTIONS)
        if checks.unfit:
            return checks.unfit
        part = (user, subreddit, n)
        if self._wanted is not None:
            wanted = self._wanted
            kept = [i for i, name in enumerate(subreddits) if name.lower() in wanted]
            self._rows_filtered += len(subreddits) - len(kept)
            part = (part[0][kept], part[1][kept], part[2][kept])
        self._parts.append(part)
        return {}

    def _fields_of_each(self, block: Block) -> tuple[list[str], Int64]:
        """The fields of all rows and the line of each; what is no row is rejected."""
        fields: list[str] = []
        lines: list[int] = []
        for i in range(len(block)):
            line = block.text(i)
            if not line or line.isspace() or block.line + i == self._header_line:
                continue
            self._rows_read += 1
            try:
                row = split(line)
            except UnicodeDecodeError:
                self._refuse(block.reject(i, Reason.BROKEN_UTF8))
                continue
            if row is None or len(row) != len(COLUMNS):
                self._refuse(block.reject(i, Reason.WRONG_FIELDS))
                continue
            fields += row
            lines.append(i)
        return fields, np.array(lines, np.int64)


def _fields_of_plain(block: Block) -> list[str] | None:
    """All fields of a block whose lines hold three each and no quotes; None where one is different."""
    data = block.data
    if not block.ended or b'"' in data or not data.isascii():
        return None
    commas = np.flatnonzero(np.frombuffer(data, np.uint8) == _COMMA)
    if len(commas) != (len(COLUMNS) - 1) * len(block):
        return None
    of_line = commas.reshape(len(block), len(COLUMNS) - 1)
    if (of_line[:, 0] < block.start).any() or (of_line[:, -1] > block.end).any():
        return None
    fields = data.decode().replace("\r\n", "\n").replace("\n", ",").split(",")
    # Behind the last line end there is one field more, an empty one.
    return fields[:-1]


def _counts(texts: Sequence[str]) -> tuple[Int64, Bool]:
    """Whole numbers, and which are from 1 to 2^31 - 1. Shapes: (n,)."""
    everything = "".join(texts)
    if not (everything.isascii() and everything.isdigit() and all(texts) and max(map(len, texts)) <= 18):
        texts = [text if text.isascii() and text.isdigit() and len(text) <= 18 else "0" for text in texts]
    n = np.fromiter(map(int, texts), np.int64, len(texts))
    return n, (n >= 1) & (n <= _MOST)
