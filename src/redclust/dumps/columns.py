"""Values of many rows to columns at once: numbers, times, base-36 ids, texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from redclust.dumps.batches import NO_SCORE, NO_TIME, Bool, Int32, Int64, TextColumn

Float64 = npt.NDArray[np.float64]

#: Reddit opened in June 2005: nothing on it is older.
EARLIEST_S = datetime(2005, 6, 1, tzinfo=UTC).timestamp()
_EPOCH_2000_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp()

_DIGIT = np.full(256, -1, np.int64)
_DIGIT[np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)] = np.arange(36)
_DIGIT[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)] = np.arange(10, 36)
#: 36^12 is below 2^63, 36^13 above.
_SAFE_DIGITS = 12
_POWER = 36 ** np.arange(_SAFE_DIGITS - 1, -1, -1, dtype=np.int64)


def numbers(values: Sequence[float | str | None]) -> Float64:
    """Numbers or numeric texts; NaN where None, infinity where it is no number. Shape: (n,)."""
    try:
        return np.fromiter(values, np.float64, len(values))  # type: ignore[arg-type] # None becomes NaN
    except ValueError:
        return np.fromiter(map(_number, values), np.float64, len(values))


def _number(value: float | str | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except ValueError:
        return np.inf


def times(seconds: Float64) -> Int64:
    """Unix seconds to microseconds since 2000-01-01 UTC; NaN to ``NO_TIME``. Shape: (n,)."""
    absent = np.isnan(seconds)
    micros = np.rint((np.where(absent, 0.0, seconds) - _EPOCH_2000_S) * 1e6).astype(np.int64)
    micros[absent] = NO_TIME
    return micros


def scores(values: Float64) -> tuple[Int32, Bool]:
    """Scores (NaN to ``NO_SCORE``), and which are whole numbers of 32 bits or absent. Shapes: (n,)."""
    absent = np.isnan(values)
    # The smallest 32-bit number stands for an absent score.
    fits = absent | ((np.abs(values) < -NO_SCORE) & (np.rint(values) == values))
    return np.where(fits & ~absent, values, NO_SCORE).astype(np.int32), fits


@dataclass(frozen=True, slots=True)
class Packed:
    """Short ASCII texts in one array: text i is ``chars[start[i]:start[i] + length[i]]``.

    Characters beyond ASCII become ``?``, which no id holds.
    """

    chars: npt.NDArray[np.uint8]
    start: Int64
    length: Int64

    @classmethod
    def of(cls, texts: Sequence[str]) -> Packed:
        length = np.fromiter(map(len, texts), np.int64, len(texts))
        chars = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
        return cls(chars, np.cumsum(length) - length, length)

    def has_prefix(self, prefix: bytes) -> Bool:
        found = self.length >= len(prefix)
        # Where a text is too short, any place will do.
        start = self.start if found.all() else np.where(found, self.start, 0)
        if len(self.chars) >= len(prefix):
            for i, char in enumerate(prefix):
                found &= self.chars[start + i] == char
        return found

    def without(self, prefix: bytes) -> Packed:
        """The texts with ``prefix`` cut off where they have it."""
        cut = self.has_prefix(prefix) * len(prefix)
        return Packed(self.chars, self.start + cut, self.length - cut)

    def base36(self) -> tuple[Int64, Bool]:
        """The numbers they write in base 36, and which are such numbers below 2^63. Shapes: (n,)."""
        value = np.zeros(len(self.length), np.int64)
        fits = np.ones(len(self.length), np.bool_)
        for length in _distinct(self.length):
            rows = np.flatnonzero(self.length == length)
            if 1 <= length <= _SAFE_DIGITS:
                digits = _DIGIT[self.chars[self.start[rows, None] + np.arange(length)]]
                value[rows] = digits @ _POWER[-length:]
                if digits.min() < 0:
                    fits[rows] = (digits >= 0).all(axis=1)
            else:
                for row in rows.tolist():
                    number = self._long(row, length)
                    fits[row] = number is not None
                    value[row] = number or 0
        return value, fits

    def _long(self, row: int, length: int) -> int | None:
        start = int(self.start[row])
        digits = _DIGIT[self.chars[start : start + length]]
        if length != _SAFE_DIGITS + 1 or (digits < 0).any():
            return None
        number = 0
        for digit in digits.tolist():
            number = number * 36 + digit
        return number if number < 2**63 else None


def _distinct(values: Int64) -> list[int]:
    if not len(values):
        return []
    least = int(values.min())
    return [least] if least == values.max() else np.unique(values).tolist()


@dataclass(frozen=True, slots=True)
class Texts:
    """UTF-8 texts in one piece, the bytes of each, and which there are. Shapes: (n,)."""

    data: bytes
    length: Int64
    present: Bool

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Texts:
        """Pack texts; None is not present.

        Raises:
            UnicodeEncodeError: a text holds half a surrogate pair.
            ValueError: a text holds a NUL.
        """
        present = np.fromiter([text is not None for text in texts], np.bool_, len(texts))
        there = cast("Sequence[str]", texts) if present.all() else [text or "" for text in texts]
        whole = "".join(there)
        if "\0" in whole:
            raise ValueError("a NUL in a text")
        if whole.isascii():
            return cls(whole.encode(), np.fromiter(map(len, there), np.int64, len(there)), present)
        encoded = [text.encode() for text in there]
        return cls(b"".join(encoded), np.fromiter(map(len, encoded), np.int64, len(encoded)), present)

    @classmethod
    def column(cls, parts: Sequence[Texts]) -> TextColumn:
        """All texts of the parts, in order."""
        return TextColumn(
            b"".join([part.data for part in parts]),
            np.cumsum(joined([part.length for part in parts], np.int64)),
            joined([part.present for part in parts], np.bool_),
        )


Scalar = TypeVar("Scalar", bound=np.generic)


def joined(parts: Sequence[npt.NDArray[Any]], dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """The parts of a column in one array; an empty one where there are none."""
    return np.concatenate([np.zeros(0, dtype), *parts], dtype=dtype)
