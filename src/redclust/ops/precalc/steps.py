"""The steps of a run: shown while they last, timed, and told in rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from redclust.ops.precalc.figures import Times
from redclust.report import Progress, Task


class Steps:
    """Times each step; ``interval_rows`` come together before progress is told."""

    def __init__(self, progress: Progress, interval_rows: int) -> None:
        self._progress, self._interval_rows = progress, interval_rows
        self._seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """One line beside the progress."""
        self._progress.say(text)

    @contextmanager
    def step(self, key: str, name: str) -> Generator[Task]:
        """A step that counts for the field ``key`` of :class:`Times`; steps of one key add up."""
        started_s = time.monotonic()
        with self._progress.task(name) as task:
            yield task
        self._seconds[key] = self._seconds.get(key, 0.0) + time.monotonic() - started_s

    @contextmanager
    def rows(self, key: str, name: str) -> Generator[Task]:
        """A step whose progress is rows: told when enough of them have come together."""
        with self.step(key, name) as task:
            paced = _Paced(task, self._interval_rows)
            yield paced
            paced.tell()

    @property
    def times(self) -> Times:
        return Times(**{key: round(seconds, 3) for key, seconds in self._seconds.items()})


class _Paced:
    def __init__(self, task: Task, interval_rows: int) -> None:
        self._task, self._interval_rows = task, interval_rows
        self._untold_rows = 0.0

    def advance(self, amount: float) -> None:
        self._untold_rows += amount
        if self._untold_rows >= self._interval_rows:
            self.tell()

    def total(self, total: float) -> None:
        self._task.total(total)

    def note(self, text: str) -> None:
        self._task.note(text)

    def tell(self) -> None:
        self._task.advance(self._untold_rows)
        self._untold_rows = 0.0


def as_rows(task: Task, rows: int) -> Callable[[float], None]:
    """Progress told as a share that grows to 1, as so many rows."""
    task.total(rows)
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        task.advance((share - told) * rows)
        told = share

    return tell


def as_seconds(task: Task) -> Callable[[float], None]:
    """Progress of which only the time is known."""
    return lambda seconds: task.note(f"{seconds:.0f} s")
