"""Progress to stderr: bars on a terminal, a line an interval elsewhere, nothing when quiet or under cron."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from redclust.report import Progress, Silent, Task

#: Seconds between two lines where there is no terminal.
LINE_INTERVAL_S = 15.0


def choose(*, quiet: bool) -> Progress:
    """Bars on a terminal; lines in a pipe or a log; silence when quiet, and under cron (no TERM)."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        return Terminal()
    return Lines(every_s=LINE_INTERVAL_S if os.environ.get("TERM") else None)


class Terminal:
    """Rich's bars, gone when the work is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._bars: Bars | None = None

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        outer = self._bars
        bars = outer or Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        identity = bars.add_task(name, total=total, note="")
        if outer is not None:
            yield _Bar(bars, identity)
            bars.update(identity, visible=False)
            return
        self._bars = bars
        try:
            with bars:
                yield _Bar(bars, identity)
        finally:
            self._bars = None

    def say(self, text: str) -> None:
        self._console.print(text, style="dim")


class _Bar:
    def __init__(self, bars: Bars, identity: TaskID) -> None:
        self._bars, self._identity = bars, identity

    def advance(self, amount: float) -> None:
        self._bars.advance(self._identity, amount)

    def total(self, total: float) -> None:
        self._bars.update(self._identity, total=total)

    def note(self, text: str) -> None:
        self._bars.update(self._identity, note=text)


class Lines:
    """A line an interval on stderr; ``every_s=None`` leaves the talk and drops the progress."""

    def __init__(self, *, every_s: float | None) -> None:
        self._every_s = every_s

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        yield _Line(name, total, self._every_s)

    def say(self, text: str) -> None:
        sys.stderr.write(f"redclust: {text}\n")


class _Line:
    def __init__(self, name: str, total: float | None, every_s: float | None) -> None:
        self._name, self._total, self._every_s = name, total, every_s
        self._done = 0.0
        self._note = ""
        self._started = self._told = time.monotonic()

    def advance(self, amount: float) -> None:
        self._done += amount
        self._tell()

    def total(self, total: float) -> None:
        self._total = total

    def note(self, text: str) -> None:
        self._note = text
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self._every_s is None or now - self._told < self._every_s:
            return
        self._told = now
        parts = [self._name]
        if self._total:
            share = min(1.0, self._done / self._total)
            parts.append(f"{share:.0%}")
            if share > 0:
                left = (now - self._started) * (1 - share) / share
                parts.append(f"eta {timedelta(seconds=round(left))}")
        sys.stderr.write(f"redclust: {' '.join([*parts, self._note]).rstrip()}\n")
