"""Facts as Prometheus' metric families; names by its conventions: base units, ``_total`` on counters alone.

A fact that could not be had has no sample: an alert on its absence is `redclust_up` and the state of checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from redclust.ops.doctor.checks import Finding
from redclust.ops.doctor.facts import Backups, Counts, Crawling, Facts, Graph, Missing
from redclust.ops.doctor.log_errors import LINES

_STATES = {"ok": 0, "warning": 1, "critical": 2}
Labelled = Mapping[tuple[str, ...], float]


def families(found: Facts, findings: Iterable[Finding]) -> Iterator[Metric]:
    """Everything that was gathered."""
    up = 0 if isinstance(found.server, Missing) else 1
    yield gauge("up", "Whether the database answers.", up)
    yield gauge("collected_timestamp_seconds", "When these figures were gathered.", found.at)
    states = {(one.check,): float(_STATES[one.state]) for one in findings if one.state in _STATES}
    yield gauges("check_state", "Each check of doctor: 0 ok, 1 warning, 2 critical.", ("check",), states)
    if not isinstance(found.server, Missing):
        labels = {(found.server.version,): 1.0}
        yield gauges("database_info", "The server's version.", ("version",), labels)
        yield gauge("database_clock_ahead_seconds", "Its clock against this machine's.", found.server.ahead_s)
    if not isinstance(found.ages, Missing):
        yield gauge("database_size_bytes", "Size of the database.", found.ages.size_bytes)
        yield gauge("database_transaction_age", "Transactions since the oldest row.", found.ages.xid_age)
    if not isinstance(found.connections, Missing):
        limit = found.connections.limit - found.connections.reserved
        yield gauge("connections", "Sessions of the server.", found.connections.used)
        yield gauge("connections_limit", "Sessions that it takes.", limit)
        yield gauge("connections_used_ratio", "The one over the other.", found.connections.used_ratio)
    if not isinstance(found.disks, Missing):
        sizes = {(one.what,): float(one.total_bytes) for one in found.disks}
        free = {(one.what,): float(one.free_bytes) for one in found.disks}
        used = {(one.what,): one.used_ratio for one in found.disks}
        yield gauges("disk_size_bytes", "Size of a disk that is written to.", ("disk",), sizes)
        yield gauges("disk_free_bytes", "Free on it.", ("disk",), free)
        yield gauges("disk_used_ratio", "Used of it.", ("disk",), used)
    logs = {"server": found.server_log, "redclust": found.own_log}
    ratios = {(name,): log.ratio for name, log in logs.items() if not isinstance(log, Missing)}
    meaning = f"Lines of errors among the newest {LINES:,} of a log: the embedded server's, redclust's own."
    yield gauges("log_error_ratio", meaning, ("log",), ratios)
    if not isinstance(found.backups, Missing):
        yield from _backups(found.backups)
    if not isinstance(found.crawling, Missing):
        yield from _crawling(found.crawling, found.at)
    if not isinstance(found.graph, Missing):
        yield from _precalc(found.graph)
    if not isinstance(found.runs, Missing):
        runs = found.runs
        at = {(verb,): run.finished_at.timestamp() for verb, run in runs.items()}
        took = {(verb,): (run.finished_at - run.started_at).total_seconds() for verb, run in runs.items()}
        well = {(verb,): float(run.verdict == "ok") for verb, run in runs.items()}
        yield gauges("run_timestamp_seconds", "When a verb has ended last.", ("verb",), at)
        yield gauges("run_duration_seconds", "How long that took.", ("verb",), took)
        yield gauges("run_ok", "Whether it ended well.", ("verb",), well)
        if (check := runs.get("integrity.check")) is not None:
            rows = float(check.figures.get("found_rows", 0))
            yield gauge("integrity_findings", "Rows that the last integrity check found wrong.", rows)
    if not isinstance(found.counts, Missing):
        yield from _counts(found.counts)


def _counts(found: Counts) -> Iterator[Metric]:
    rows = {(one.label,): float(one.live_rows) for one in found.tables}
    dead = {(one.label,): float(one.dead_rows) for one in found.tables}
    sizes = {(one.label,): float(one.size_bytes) for one in found.tables if one.size_bytes is not None}
    nodes = {(kind,): float(number) for kind, number in found.nodes.items()}
    links = {(kind,): float(number) for kind, number in found.links.items()}
    yield gauges("table_rows", "Rows of a table, as the server counts along.", ("table",), rows)
    yield gauges("table_dead_rows", "Dead rows of it.", ("table",), dead)
    yield gauges("table_size_bytes", "Its size with indexes.", ("table",), sizes)
    yield gauges("graph_nodes", "Nodes of the graph by type.", ("type",), nodes)
    yield gauges("graph_links", "Links of the graph by type.", ("type",), links)


def _backups(found: Backups) -> Iterator[Metric]:
    status = found.status
    yield gauge("backup_ok", "Whether backup status is content.", float(status.ok))
    yield gauge("backups_verified", "Verified backups of this database.", status.verified)
    failures = status.failures.count if status.failures else 0
    yield gauge("backup_failures", "Runs that failed since the last good one.", failures)
    if status.latest_at is not None:
        yield gauge("backup_timestamp_seconds", "When the newest verified backup was made.", status.latest_at)
        yield gauge("backup_size_bytes", "Its size.", status.size_bytes or 0)
    if found.drilled_at is not None:
        yield gauge("backup_drill_timestamp_seconds", "When a restore was last rehearsed.", found.drilled_at)


def _crawling(found: Crawling, at: datetime) -> Iterator[Metric]:
    jobs = {(status,): float(number) for status, number in found.status.jobs.items()}
    yield gauges("jobs", "Crawl jobs by status.", ("status",), jobs)
    yield gauge("jobs_stuck", "Jobs that lost their worker or make no page.", found.stuck)
    yield gauge("queue_ready", "Jobs that may run now.", found.status.ready)
    age_s = (at - found.oldest_ready_at).total_seconds() if found.oldest_ready_at else 0.0
    yield gauge("queue_age_seconds", "How long the oldest of them waits.", max(0.0, age_s))
    yield gauge("crawl_paused", "Whether somebody has paused the queue.", float(bool(found.status.pauses)))
    yield gauge("crawl_workers", "Workers that beat within a day.", len(found.status.workers))
    ended = {("completed",): found.completed, ("failed",): found.failed, ("retried",): found.retried}
    recent = {outcome: float(number) for outcome, number in ended.items()}
    yield gauges("crawls_recent", "Crawls that ended within doctor.crawl_window.", ("outcome",), recent)
    if found.success_ratio is not None:
        yield gauge("crawl_failure_ratio", "Failed ones of those that ended.", 1 - found.success_ratio)
    budgets = found.status.budgets
    sent = CounterMetricFamily(
        "redclust_reddit_requests", "Requests to Reddit.", labels=("client", "outcome")
    )
    for one in budgets:
        sent.add_metric((one.client, "refused"), one.refused)
        sent.add_metric((one.client, "failed"), one.failed)
        sent.add_metric((one.client, "answered"), max(0, one.sent - one.refused - one.failed))
    yield sent
    left = {(one.client,): one.remaining for one in budgets if one.remaining is not None}
    opened = {(one.client,): float(one.closed_at is not None) for one in budgets}
    waits = {(one.client,): one.wait_s for one in budgets}
    yield gauges("reddit_budget_remaining", "Requests left, as Reddit's headers say.", ("client",), left)
    yield gauges("reddit_wait_seconds", "How far away the next free slot is.", ("client",), waits)
    yield gauges("reddit_breaker_open", "Whether the circuit breaker is open.", ("client",), opened)


def _precalc(found: Graph) -> Iterator[Metric]:
    ended = [run for run in found.status.runs if run.finished_at is not None]
    failed = 0
    while failed < len(ended) and ended[failed].status == "failed":
        failed += 1
    yield gauge("precalc_failures", "Runs of precalc that failed since the last good one.", failed)
    shown = found.status.shown
    if shown is None:
        return
    if shown.duration_s is not None:
        yield gauge("precalc_duration_seconds", "How long the shown graph took.", shown.duration_s)
    if shown.snapshot_at is not None:
        yield gauge("precalc_timestamp_seconds", "As of when the shown graph is.", shown.snapshot_at)
        behind_s = (found.data_at - shown.snapshot_at).total_seconds() if found.data_at else 0.0
        yield gauge(
            "precalc_behind_seconds", "How much newer the newest data is than the graph.", max(0.0, behind_s)
        )


def gauge(name: str, meaning: str, value: float | datetime) -> Metric:
    """One sample without labels; a time is seconds since 1970."""
    number = value.timestamp() if isinstance(value, datetime) else float(value)
    return GaugeMetricFamily(f"redclust_{name}", meaning, value=number)


def gauges(name: str, meaning: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    """A sample for each combination of labels."""
    made = GaugeMetricFamily(f"redclust_{name}", meaning, labels=labels)
    for key, value in values.items():
        made.add_metric(key, value)
    return made
