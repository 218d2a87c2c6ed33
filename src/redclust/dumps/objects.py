"""Lines of JSON objects to columns: what comments and submissions have in common.

A block of lines is decoded by one call and checked column by column. Only where a block holds something
odd is it taken line by line, and only a line that the fast decoder refuses is looked at key by key.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt

from redclust.dumps import strict_json
from redclust.dumps.batches import Bool, Int64, TextColumn
from redclust.dumps.columns import EARLIEST_S, Packed, Scalar, Texts, joined, numbers, scores, times
from redclust.dumps.lines import Block
from redclust.dumps.names import NOBODY, NameIndex
from redclust.dumps.reasons import Reason
from redclust.dumps.rows import Checks, Filters, Rows

Columns = dict[str, npt.NDArray[Any]]

_OPEN, _CLOSE = b"{}"
_NAN = float("nan")


class Thing(msgspec.Struct, kw_only=True, gc=False):
    """The keys that comments and submissions share, in every form that an era writes them in."""

    author: str | None = None
    created_utc: float | str
    id: str
    retrieved_on: float | str | None = _NAN
    retrieved_utc: float | str | None = _NAN
    score: float | None = _NAN
    subreddit: str


_MISSING = {
    "id": Reason.NO_ID,
    "link_id": Reason.NO_LINK_ID,
    "subreddit": Reason.NO_SUBREDDIT,
    "created_utc": Reason.NO_CREATED_UTC,
    "body": Reason.NO_BODY,
    "title": Reason.NO_TITLE,
}
_WRONG = {
    "id": Reason.BAD_ID,
    "link_id": Reason.BAD_LINK_ID,
    "parent_id": Reason.BAD_PARENT_ID,
    "subreddit": Reason.BAD_SUBREDDIT,
    "author": Reason.BAD_AUTHOR,
    "created_utc": Reason.BAD_CREATED_UTC,
    "retrieved_on": Reason.BAD_RETRIEVED,
    "retrieved_utc": Reason.BAD_RETRIEVED,
    "score": Reason.BAD_SCORE,
    "body": Reason.BAD_BODY,
    "title": Reason.BAD_TITLE,
    "selftext": Reason.BAD_SELFTEXT,
    "url": Reason.BAD_URL,
    "link_flair_text": Reason.BAD_FLAIR,
    "is_self": Reason.BAD_IS_SELF,
}

T = TypeVar("T", bound=Thing)


class ObjectRows(Rows, Generic[T]):
    """One batch of comments or submissions in the making; ``latest_s`` is the last credible time."""

    _type: ClassVar[type[Any]]
    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __init__(self, filters: Filters, *, latest_s: float) -> None:
        super().__init__()
        self._filters = filters
        self._latest_s = latest_s
        self._subreddits = NameIndex()
        self._authors = NameIndex(NOBODY)
        self._parts: defaultdict[str, list[npt.NDArray[Any]]] = defaultdict(list)
        self._texts: defaultdict[str, list[Texts]] = defaultdict(list)

    @abstractmethod
    def _own_columns(self, rows: Sequence[T], checks: Checks) -> Columns:
        """The columns that only this kind has, without texts."""

    @abstractmethod
    def _own_texts(self, rows: Sequence[T]) -> dict[str, Sequence[str | None]]:
        """The texts of this kind."""

    def add(self, block: Block) -> None:
        rows: list[T]
        rows, lines = self._decode(block)
        if self._filters.subreddits is not None:
            wanted = self._filters.subreddits
            kept = [i for i, row in enumerate(rows) if row.subreddit.lower() in wanted]
            self._rows_filtered += len(rows) - len(kept)
            rows = [rows[i] for i in kept]
            lines = lines[kept]
        while rows:
            unfit = self._append(rows)
            if not unfit:
                return
            for i, reason in unfit.items():
                self._refuse(block.reject(int(lines[i]), reason))
            fit = [i for i in range(len(rows)) if i not in unfit]
            rows = [rows[i] for i in fit]
            lines = lines[fit]

    def add_cut(self, block: Block) -> bool:
        # An object that is closed is whole: no beginning of a longer one parses.
        try:
            strict_json.parse(block.text(0))
        except ValueError:
            return False
        self.add(block)
        return True

    def _decode(self, block: Block) -> tuple[list[T], Int64]:
        """The rows of a block and the line of each; what is no row is rejected."""
        if _stands_line_by_line(block) and _is_utf8(block.data):
            try:
                rows: list[T] = self._decoder.decode_lines(block.data)
            except (ValueError, RecursionError):
                return self._decode_each(block)
            # As many objects as lines, and each line end stands between two of them: one object a line.
            if len(rows) == len(block):
                self._rows_read += len(rows)
                return rows, np.arange(len(rows))
        return self._decode_each(block)

    def _decode_each(self, block: Block) -> tuple[list[T], Int64]:
        rows: list[T] = []
        lines: list[int] = []
        for i in range(len(block)):
            line = block.text(i)
            if not line or line.isspace():
                continue
            self._rows_read += 1
            row = self._decode_one(line)
            if isinstance(row, Reason):
                self._refuse(block.reject(i, row))
            else:
                rows.append(row)
                lines.append(i)
        return rows, np.array(lines, np.int64)

    def _decode_one(self, line: bytes) -> T | Reason:
        if not _is_utf8(line):
            return Reason.BROKEN_UTF8
        try:
            return self._decoder.decode(line)
        except (ValueError, RecursionError):
            return self._decode_slowly(line)

    def _decode_slowly(self, line: bytes) -> T | Reason:
        """The row of a line that the fast decoder refuses, or why it is none."""
        try:
            value = strict_json.parse(line)
        except ValueError:
            return Reason.MALFORMED_JSON
        if not isinstance(value, dict):
            return Reason.NOT_AN_OBJECT
        keys = cast("dict[str, Any]", value)
        fields = msgspec.structs.fields(self._type)
        for field in fields:
            if field.required and field.name not in keys:
                return _MISSING[field.name]
        for field in fields:
            if field.name in keys:
                try:
                    msgspec.convert(keys[field.name], field.type)
                except ValueError:
                    return _WRONG[field.name]
        return msgspec.convert(keys, self._type)

    def _append(self, rows: list[T]) -> dict[int, Reason]:
        """Append the rows; or, where some are unfit, append none and say which are and why."""
        checks = Checks()
        columns = self._common_columns(rows, checks) | self._own_columns(rows, checks)
        if checks.unfit:
            return checks.unfit
        place = np.flatnonzero(self._in_time(columns["created_at"]))
        filtered = len(rows) - len(place)
        if filtered:
            rows = [rows[i] for i in place.tolist()]
            columns = {name: column[place] for name, column in columns.items()}
        packed: dict[str, Texts] = {}
        for name, texts in self._own_texts(rows).items():
            try:
                packed[name] = Texts.of(texts)
            except ValueError:
                return {int(place[i]): reason for i, reason in _unfit_texts(texts)}
        for name, column in columns.items():
            self._parts[name].append(column)
        for name, texts in packed.items():
            self._texts[name].append(texts)
            self._held_bytes += len(texts.data)
        self._rows_filtered += filtered
        return {}

    def _common_columns(self, rows: list[T], checks: Checks) -> Columns:
        id_, id_fits = Packed.of([row.id for row in rows]).base36()
        checks.require(id_fits, Reason.BAD_ID)
        created_s = numbers([row.created_utc for row in rows])
        created_fits = (created_s >= EARLIEST_S) & (created_s <= self._latest_s)
        checks.require(created_fits, Reason.BAD_CREATED_UTC)
        retrieved_s = numbers([row.retrieved_on for row in rows])
        absent = np.isnan(retrieved_s)
        if absent.any():
            retrieved_s = np.where(absent, numbers([row.retrieved_utc for row in rows]), retrieved_s)
            absent = np.isnan(retrieved_s)
        retrieved_fits = absent | (retrieved_s >= EARLIEST_S) & (retrieved_s <= self._latest_s)
        checks.require(retrieved_fits, Reason.BAD_RETRIEVED)
        score, score_fits = scores(numbers([row.score for row in rows]))
        checks.require(score_fits, Reason.BAD_SCORE)
        subreddit, unfit = self._subreddits.indices([row.subreddit for row in rows])
        checks.refuse(unfit, Reason.BAD_SUBREDDIT)
        author, unfit = self._authors.indices([row.author for row in rows])
        checks.refuse(unfit, Reason.BAD_AUTHOR)
        if checks.unfit:
            return {}
        return {
            "id": id_,
            "subreddit": subreddit,
            "author": author,
            "created_at": times(created_s),
            "retrieved_at": times(retrieved_s),
            "score": score,
        }

    def _in_time(self, created_at: Int64) -> Bool:
        since, until = self._filters.since, self._filters.until
        wanted = np.ones(len(created_at), np.bool_)
        if since is not None:
            wanted &= created_at >= since
        if until is not None:
            wanted &= created_at < until
        return wanted

    def _column(self, name: str, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
        return joined(self._parts[name], dtype)

    def _text_column(self, name: str) -> TextColumn:
        return Texts.column(self._texts[name])


def _stands_line_by_line(block: Block) -> bool:
    """Whether every line begins and ends as an object does (none is blank).

    Inside one JSON value no line end stands between two such braces.
    """
    chars = np.frombuffer(block.data, np.uint8)
    return bool((chars[block.start] == _OPEN).all() and (chars[block.end - 1] == _CLOSE).all())


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unfit_texts(texts: Sequence[str | None]) -> list[tuple[int, Reason]]:
    found: list[tuple[int, Reason]] = []
    for i, text in enumerate(texts):
        if text is None:
            continue
        if "\0" in text:
            found.append((i, Reason.NUL_BYTE))
        elif any("\ud800" <= char <= "\udfff" for char in text):
            found.append((i, Reason.BROKEN_UTF8))
    return found
