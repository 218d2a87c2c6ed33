"""``benchmark`` in words."""

from __future__ import annotations

import statistics

from rich.console import Console

from redclust.ops.benchmark import (
    BackupBenchmark,
    Comparison,
    GraphBenchmark,
    ImportBenchmark,
    MapBenchmark,
    PrecalcBenchmark,
    QueueBenchmark,
)
from redclust.ops.benchmark.map import Drawing
from redclust.ops.benchmark.queue import TO_REACH_RATIO
from redclust.render.output import size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case ImportBenchmark():
            _import(report, out)
        case BackupBenchmark():
            _backup(report, out)
        case GraphBenchmark():
            _graph(report, out)
        case MapBenchmark():
            _map(report, out)
        case PrecalcBenchmark():
            _precalc(report, out)
        case QueueBenchmark():
            _queue(report, out)
        case _:
            raise TypeError(type(report).__name__)


def _import(report: ImportBenchmark, out: Console) -> None:
    rows = ", ".join(f"{count:,} {name}" for name, count in report.table_rows.items() if count)
    out.print(f"{report.rows:,} rows of dumps; in the tables: {rows}. Postgres {report.server_version}")
    speeds = {
        report.comparison.measured.name: report.import_rows_per_s,
        report.comparison.baseline.name: report.copy_rows_per_s,
    }
    _compare(report.comparison, speeds, out)
    out.print(f"peak memory of redclust's own processes: {size(report.peak_memory_bytes)}")


def _graph(report: GraphBenchmark, out: Console) -> None:
    many = "1 client" if report.clients == 1 else f"{report.clients} clients"
    out.print(f"{report.nodes:,} nodes, {report.links:,} links, {many}. Postgres {report.server_version}")
    numbers = ("cold ms", "min", "median", "p95", "mean")
    times = table("query", *numbers, right=numbers)
    for one in report.questions:
        runs = (one.cold_ms, min(one.runs_ms), one.median_ms, one.p95_ms, statistics.mean(one.runs_ms))
        times.add_row(one.name, *(f"{ms:.1f}" for ms in runs))
    out.print(times)
    numbers = ("rows", "JSON", "in memory")
    rows = table("query", *numbers, "indexes", right=numbers)
    for one in report.questions:
        hit, read = (sum(p.hit_blocks for p in one.plans), sum(p.read_blocks for p in one.plans))
        found = f"{hit / max(1, hit + read):.0%}"
        used = ", ".join(sorted({index for p in one.plans for index in p.indexes})) or "none"
        rows.add_row(one.name, f"{one.rows:,}", size(one.json_bytes), found, used)
    out.print(rows)
    shown = table(
        "step of the map", "ms", "least: ms", "ratio", "least is", right=("ms", "least: ms", "ratio")
    )
    for step in report.steps:
        figures = (f"{step.step_ms:.1f}", f"{step.floor_ms:.1f}", f"{step.ratio:.2f}")
        shown.add_row(step.name, *figures, step.floor)
    out.print(shown)
    if (made := report.beforehand) is not None:
        out.print(
            f"Computed beforehand: {made.table}, {made.links:,} links among the {made.nodes:,} biggest nodes "
            f"({size(made.size_bytes)}); all else is read from the graph itself"
        )
    else:
        out.print("Nothing is computed beforehand until the next precalc: graph_top_links is out of date")
    if report.against:
        beside = table("query", "ratio", "noise", "", right=("ratio", "noise"))
        for one in report.against:
            verdict = "slower" if one.slower else ""
            beside.add_row(one.name, f"{one.ratio:.2f}", f"{one.noise:.2f}", verdict)
        out.print(beside)
    for told in report.problems:
        out.print(f"Missed: {told}")


def _backup(report: BackupBenchmark, out: Console) -> None:
    out.print(f"a database of {size(report.database_bytes)}, Postgres {report.server_version}")
    columns = ("median s", "min s", "max s", "size", "peak memory")
    shown = table("side", *columns, right=columns)
    sides = (report.beside_gzip.measured, report.beside_gzip.baseline, report.beside_zstd.baseline)
    for side, cost in zip(sides, report.costs, strict=True):
        times = [f"{t:.2f}" for t in (side.median_s, min(side.runs_s), max(side.runs_s))]
        shown.add_row(side.name, *times, size(cost.size_bytes), size(cost.peak_memory_bytes))
    restored = report.beside_psql
    for side in (restored.measured, restored.baseline):
        times = [f"{t:.2f}" for t in (side.median_s, min(side.runs_s), max(side.runs_s))]
        shown.add_row(side.name, *times, "", "")
    out.print(shown)
    for comparison, how in (
        (report.beside_gzip, "verified"),
        (report.beside_zstd, "verified"),
        (restored, "rows compared and analyzed"),
    ):
        out.print(
            f"{comparison.median_ratio:.2f} of the time of {comparison.baseline.name}, {how} (median of "
            f"{len(comparison.ratios)} rounds; {comparison.min_ratio:.2f} to {comparison.max_ratio:.2f})"
        )
    for told in report.missed:
        out.print(f"Missed: {told}")


def _map(report: MapBenchmark, out: Console) -> None:
    out.print(
        f"{report.people:,} people and {report.bots} bots in {report.subreddits:,} subreddits, "
        f"{report.memberships:,} memberships, seed {report.seed}; left out: {report.bots_left_out} bots, "
        f"{report.people_left_out:,} people"
    )
    planted = report.planted
    out.print(
        f"Of memberships {planted.hubs:.0%} in hubs, {planted.own_topic:.0%} in a topic of one's own, "
        f"{planted.own_field:.0%} elsewhere in its field, the rest anywhere; at most {planted.cap} "
        f"subreddits a user, related from {planted.minimum} shared users on"
    )
    numbers = (
        "links",
        "communities",
        "fields ARI",
        "AMI",
        "topics ARI",
        "topics AMI",
        "own topic",
        "of ten",
        "CPU s",
    )
    found = table("way", *numbers, right=numbers)
    for one in report.qualities:
        agreement = (one.fields_rand, one.fields_information, one.topics_rand, one.topics_information)
        own = ["" if share is None else f"{share:.3f}" for share in (one.own_topic, one.own_topic_of_ten)]
        figures = [f"{value:.3f}" for value in agreement]
        found.add_row(one.way, f"{one.edges:,}", f"{one.communities}", *figures, *own, f"{one.cpu_s:.1f}")
    out.print(found)
    out.print("A hundredth of the memberships changed; ways of subreddits, of the map's diameter:")
    numbers = ("median", "95th percentile", "not moved", "other community", "CPU s")
    moved = table("way", *numbers, right=numbers)
    for one in report.stability:
        ways = (
            f"{one.moved_median:.2%}",
            f"{one.moved_p95:.2%}",
            f"{one.unmoved:.1%}",
            f"{one.regrouped:.1%}",
        )
        moved.add_row(one.way, *ways, f"{one.cpu_s:.1f}")
    out.print(moved)
    for drawing in report.drawings:
        _drawing(drawing, out)
    for told in report.missed:
        out.print(f"Missed: {told}")


def _drawing(drawing: Drawing, out: Console) -> None:
    out.print(
        f"A graph of {drawing.nodes:,} nodes in {drawing.topics} topics in {drawing.fields} fields, "
        f"{drawing.links:,} links, drawn:"
    )
    numbers = ("links", "own topic", "strongest near", "crowded", "CPU s", "wall s")
    drawn = table("way", *numbers, right=numbers)
    for one in drawing.layouts:
        scores = [f"{value:.3f}" for value in (one.score.own_topic, one.score.recall, one.score.crowded)]
        drawn.add_row(one.way, f"{one.edges:,}", *scores, f"{one.cpu_s:.1f}", f"{one.wall_s:.1f}")
    out.print(drawn)


def _precalc(report: PrecalcBenchmark, out: Console) -> None:
    out.print(
        f"{report.memberships:,} memberships; on the map: {report.people:,} people, {report.subreddits:,} "
        f"subreddits, {report.pairs:,} pairs. Postgres {report.server_version}"
    )
    beside, rows = report.from_nothing, sum(report.table_rows.values())
    speeds = {side.name: rows / side.median_s for side in (beside.measured, beside.baseline)}
    _compare(beside, speeds, out)
    columns = ("changed", "rows written", "s", "full s", "ratio", "min", "max")
    shown = table(*columns, right=columns)
    for one in report.incremental:
        c = one.comparison
        figures = [f"{one.changed_ratio:.2%}", f"{one.written_rows:,}", f"{c.measured.median_s:.1f}"]
        ratios = [f"{ratio:.2f}" for ratio in (c.median_ratio, c.min_ratio, c.max_ratio)]
        shown.add_row(*figures, f"{c.baseline.median_s:.1f}", *ratios)
    out.print(shown)
    steps = tuple(name.removesuffix("_s") for name in report.times.__slots__)
    by_step = table("seconds", *steps, right=steps)
    runs = {"from nothing": report.times}
    runs |= {f"{one.share:.1%} changed": one.times for one in report.incremental}
    for name, times in runs.items():
        by_step.add_row(name, *(f"{getattr(times, f'{step}_s'):.1f}" for step in steps))
    out.print(by_step)
    out.print(f"peak memory of redclust's own processes: {size(report.peak_memory_bytes)}")
    for told in report.missed:
        out.print(f"Missed: {told}")


def _queue(report: QueueBenchmark, out: Console) -> None:
    durable = "durable commits" if report.durable else "commits that do not wait for the disk"
    out.print(
        f"{report.jobs:,} jobs a side and number of processes, {durable}. Postgres {report.server_version}"
    )
    numbers = ("jobs/s", "first third", "last third", "commits/s", "commits a job")
    for one in report.speeds:
        shown = table("side", *numbers, right=numbers)
        for side, speed in ((one.comparison.measured, one.queue), (one.comparison.baseline, one.bare)):
            speeds = (speed.jobs_per_s, speed.first_third_jobs_per_s, speed.last_third_jobs_per_s)
            figures = [f"{figure:,.0f}" for figure in (*speeds, speed.commits_per_s)]
            shown.add_row(side.name, *figures, f"{speed.commits_per_job:.2f}")
        out.print(f"{one.processes} {'process' if one.processes == 1 else 'processes'}:")
        out.print(shown)
        slowest, fastest = 1 / one.comparison.max_ratio, 1 / one.comparison.min_ratio
        out.print(
            f"ratio {one.speed_ratio:.2f} (median of {len(one.comparison.ratios)} pairs; "
            f"{slowest:.2f} to {fastest:.2f}); last third {one.steady_ratio:.2f} of the first"
        )
    if not report.ok:
        out.print(f"Missed: each ratio was to be {TO_REACH_RATIO} at least")


def _compare(comparison: Comparison, rows_per_s: dict[str, float], out: Console) -> None:
    shown = table(
        "side", "median s", "min s", "max s", "rows/s", right=("median s", "min s", "max s", "rows/s")
    )
    for side in (comparison.measured, comparison.baseline):
        runs = side.runs_s
        times = [f"{t:.3f}" for t in (side.median_s, min(runs), max(runs))]
        shown.add_row(side.name, *times, f"{rows_per_s[side.name]:,.0f}")
    out.print(shown)
    out.print(
        f"ratio {comparison.median_ratio:.2f} (median of {len(comparison.ratios)} pairs; "
        f"{comparison.min_ratio:.2f} to {comparison.max_ratio:.2f})"
    )
