"""The frame of every benchmark: two sides in turn, ratios pair by pair, and their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redclust.report import Task


@dataclass(frozen=True, slots=True)
class Side:
    """One side's runs in seconds, in the order they were made."""

    name: str
    runs_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.runs_s)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``measured`` over ``baseline``, pair by pair: machines drift, a pair's two runs drift together."""

    measured: Side
    baseline: Side
    ratios: tuple[float, ...]
    median_ratio: float
    min_ratio: float
    max_ratio: float


def compare(measured: Side, baseline: Side) -> Comparison:
    """The ratios of two sides that were run in turn."""
    ratios = tuple(a / b for a, b in zip(measured.runs_s, baseline.runs_s, strict=True))
    return Comparison(measured, baseline, ratios, statistics.median(ratios), min(ratios), max(ratios))


def alternate(
    measured: tuple[str, Callable[[], None]],
    baseline: tuple[str, Callable[[], None]],
    *,
    runs: int,
    before: Callable[[], None],
    task: Task,
) -> Comparison:
    """Run both sides in turn, ``before`` ahead of each and not timed; the order changes every pair."""
    theirs, ours = take_turns((baseline, measured), runs=runs, before=before, task=task)
    return compare(ours, theirs)


def take_turns(
    sides: Sequence[tuple[str, Callable[[], None]]], *, runs: int, before: Callable[[], None], task: Task
) -> list[Side]:
    """Run several sides in turn, in the opposite order every second round; see :func:`alternate`."""
    times: dict[str, list[float]] = {name: [] for name, _ in sides}
    for run in range(runs):
        for name, work in sides if run % 2 == 0 else reversed(sides):
            before()
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
            task.advance(1)
    return [Side(name, tuple(found)) for name, found in times.items()]
