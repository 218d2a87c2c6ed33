"""``benchmark precalc``: a planted world, its map and its changes; nothing of it stays."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from redclust.config import PrecalcSettings
from redclust.db.session import Database
from redclust.ops.benchmark import precalc as benchmark
from redclust.render import benchmark as render
from redclust.report import Silent


def test_precalc_beside_copy_and_beside_full_runs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "SHARES", (0.0, 0.05))
    report = benchmark.precalc_benchmark(
        database.connector,
        PrecalcSettings(),
        memberships=4000,
        subreddits=500,
        runs=1,
        seed=3,
        progress=Silent(),
    )
    assert report.table_rows["graph_nodes"] == report.people + report.subreddits
    assert report.table_rows["subreddit_relationships"] == 2 * report.pairs > 0
    same, some = report.incremental
    assert (same.changed_ratio, same.written_rows) == (0, 0)
    assert some.changed_ratio == pytest.approx(0.05, rel=0.5)
    assert some.written_rows > 0
    for one in (report.from_nothing, same.comparison, some.comparison):
        assert len(one.ratios) == 1
    out = io.StringIO()
    render.show(report, Console(file=out, width=200))
    assert "ratio" in out.getvalue()
    assert "from nothing" in out.getvalue()
    with database.connect() as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'redclust_benchmark%'")
        assert left.fetchall() == []


def test_a_small_change_may_take_half_of_a_full_run() -> None:
    side = benchmark.alternate(
        ("one", lambda: None), ("other", lambda: None), runs=1, before=lambda: None, task=_Nothing()
    )
    slow = benchmark.Comparison(side.measured, side.baseline, (0.6,), 0.6, 0.6, 0.6)
    found = [benchmark.Incremental(share, slow, share, 1, benchmark.Times()) for share in (0.0, 0.001, 0.01)]
    assert benchmark._missed(tuple(found)) == ("after 0.1% changed: 0.60 of a full run, not 0.5",)


class _Nothing:
    def advance(self, amount: float) -> None: ...

    def total(self, total: float) -> None: ...

    def note(self, text: str) -> None: ...
