"""Benchmarks leave a row in the history of the database that they were started on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from redclust.db import history
from redclust.db.connect import Connector
from redclust.ops.benchmark.frame import Comparison
from redclust.report import Report

P = ParamSpec("P")
R = TypeVar("R", bound=Report)


def noted(work: Callable[Concatenate[Connector, P], R]) -> Callable[Concatenate[Connector, P], R]:
    """Write down numbers and median ratios of the report that ``work`` gives back."""

    @wraps(work)
    def wrapped(connector: Connector, /, *args: P.args, **options: P.kwargs) -> R:
        started_at = datetime.now(UTC)
        report = work(connector, *args, **options)
        verdict = "ok" if report.ok else "partial"
        figures = _figures(report)
        history.note(connector, report.verb, started_at=started_at, verdict=verdict, figures=figures)
        return report

    return wrapped


def _figures(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in fields(report):
        value: Any = getattr(report, one.name)
        if isinstance(value, Comparison):
            found |= {f"{one.name}_ratio": value.median_ratio, f"{one.name}_s": value.measured.median_s}
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[one.name] = value
    return found
