"""A batch while it is being read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from redclust.dumps.batches import Batch, Bool, Checkpoint, Reject
from redclust.dumps.lines import Block
from redclust.dumps.reasons import Reason


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows are wanted.

    ``subreddits`` are lower-case names; ``since <= created_at < until``, both in microseconds since
    2000-01-01 UTC, as the batches have them. None is no limit.
    """

    subreddits: frozenset[str] | None = None
    since: int | None = None
    until: int | None = None


@dataclass(slots=True)
class Checks:
    """Which rows are unfit, and the first reason found for each."""

    unfit: dict[int, Reason] = field(default_factory=dict[int, Reason])

    def require(self, fits: Bool, reason: Reason) -> None:
        if not fits.all():
            self.refuse(np.flatnonzero(~fits).tolist(), reason)

    def refuse(self, rows: list[int], reason: Reason) -> None:
        for row in rows:
            self.unfit.setdefault(row, reason)


class Rows(ABC):
    """One batch in the making: blocks of lines go in, columns come out."""

    def __init__(self) -> None:
        self._rejects: list[Reject] = []
        self._rows_read = 0
        self._rows_filtered = 0
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Texts and rejected lines held so far."""
        return self._held_bytes

    @abstractmethod
    def add(self, block: Block) -> None:
        """Take the rows of whole lines. Linear."""

    @abstractmethod
    def add_cut(self, block: Block) -> bool:
        """Take the last line of a plain text, which has no line end; False where it is no whole row."""

    @abstractmethod
    def finish(self, checkpoint: Checkpoint) -> Batch:
        """The batch, which reaches up to ``checkpoint``; nothing is to be added after."""

    def reject(self, reject: Reject) -> None:
        """Take a line that no row can be made of."""
        self._rows_read += 1
        self._refuse(reject)

    def _refuse(self, reject: Reject) -> None:
        self._rejects.append(reject)
        self._held_bytes += len(reject.raw)

    def _extent(self, checkpoint: Checkpoint) -> tuple[Checkpoint, int, int, list[Reject]]:
        self._rejects.sort(key=lambda reject: reject.line)
        return checkpoint, self._rows_read, self._rows_filtered, self._rejects
