"""The frame of every benchmark: two sides in turn, ratios pair by pair, and their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
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


def alternate(
    measured: tuple[str, Callable[[], None]],
    baseline: tuple[str, Callable[[], None]],
    *,
    runs: int,
    before: Callable[[], None],
    task: Task,
) -> Comparison:
    """Run both sides in turn, ``before`` ahead of each and not timed; the order changes every pair."""
    times: dict[str, list[float]] = {measured[0]: [], baseline[0]: []}
    for run in range(runs):
        pair = (baseline, measured) if run % 2 == 0 else (measured, baseline)
        for name, work in pair:
            before()
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
            task.advance(1)
    ours, theirs = (Side(name, tuple(times[name])) for name in (measured[0], baseline[0]))
    ratios = tuple(a / b for a, b in zip(ours.runs_s, theirs.runs_s, strict=True))
    return Comparison(ours, theirs, ratios, statistics.median(ratios), min(ratios), max(ratios))
