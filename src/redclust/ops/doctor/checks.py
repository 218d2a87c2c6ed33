"""Every check of ``doctor``: a small function of one fact and the limits."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from redclust import duration
from redclust.config import Settings
from redclust.db import history, schema
from redclust.ops import db, integrity
from redclust.ops.doctor.disk import Disk
from redclust.ops.doctor.facts import Ages, Backups, Crawling, Credentials, Facts, Graph, Missing, Server
from redclust.ops.doctor.log_errors import LogErrors

State = Literal["ok", "warning", "critical", "not set up", "not checked"]
#: Transactions until Postgres refuses new ones.
_XIDS = 2**31


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer: the figure, the threshold that it is held against, and the command that helps."""

    check: str
    state: State
    figure: str
    threshold: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a check may ask for: the facts, the settings, and when it is."""

    facts: Facts
    settings: Settings

    def age_s(self, at: datetime) -> float:
        return (self.facts.at - at).total_seconds()


Answer = tuple[State, str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """``fact`` names what the check stands on; without it the check says ``missing``, or *not checked*.

    ``command`` may name the fact's ``{path}``.
    """

    name: str
    fact: str
    judge: Callable[[Any, Look], Answer]
    command: str
    missing: State = "not checked"


def run(look: Look) -> tuple[Finding, ...]:
    """Every check, in the order in which they stand below."""
    return tuple(_one(check, look) for check in CHECKS)


def _one(check: Check, look: Look) -> Finding:
    fact = getattr(look.facts, check.fact)
    if isinstance(fact, Missing):
        state: State = "not set up" if fact.never else "not checked" if fact.ground else check.missing
        if check.missing == "critical" or fact.ground or check.fact != "server":
            reason = fact.reason
        else:
            reason = "the database does not answer"
        command = check.command if state in ("warning", "critical") else ""
        return Finding(check.name, state, reason, command=command)
    state, figure, threshold = check.judge(fact, look)
    command = check.command.format(path=shlex.quote(str(getattr(fact, "path", ""))))
    return Finding(check.name, state, figure, threshold, command if state != "ok" else "")


def _ratio(value: float, warning: float, critical: float, told: str) -> Answer:
    state: State = "critical" if value >= critical else "warning" if value >= warning else "ok"
    return state, told, f"under {warning:.0%}, alert at {critical:.0%}"


def _young(at: datetime | None, limit: str, look: Look, what: str) -> Answer:
    if at is None:
        return "not set up", f"no {what} was ever made here", ""
    age_s = look.age_s(at)
    state: State = "warning" if age_s > duration.seconds(limit) else "ok"
    return state, f"{duration.words(max(0, age_s))} ago", f"at most {limit}"


def _database(fact: Server, look: Look) -> Answer:
    return "ok", f"Postgres {fact.version}", "15 or newer"


def _schema(fact: schema.Schema, look: Look) -> Answer:
    version = fact.applied[-1].version if fact.applied else 0
    wanted = fact.pending[-1].version if fact.pending else version
    state: State = "ok" if fact.state is schema.State.CURRENT else "critical"
    return state, f"{fact.state.value}, version {version}", f"version {wanted}"


def _disks(fact: tuple[Disk, ...], look: Look) -> Answer:
    limits = look.settings.doctor
    worst = max(fact, key=lambda one: one.used_ratio)
    told = ", ".join(f"{one.what} {one.used_ratio:.0%}" for one in fact)
    return _ratio(worst.used_ratio, limits.disk_warning, limits.disk_critical, f"{told} used")


def _connections(fact: db.ConnectionsReport, look: Look) -> Answer:
    limits = look.settings.doctor
    told = f"{fact.used} of {fact.limit - fact.reserved}"
    return _ratio(fact.used_ratio, limits.connections_warning, limits.connections_critical, told)


def _backup(fact: Backups, look: Look) -> Answer:
    status = fact.status
    limit = f"at most {duration.words(status.max_age_s)}"
    if status.latest is None and status.failures is None and not fact.backups:
        return "not set up", "there is no backup", limit
    if status.problems:
        return "critical", "; ".join(status.problems), limit
    return "ok", f"{duration.words(status.age_s or 0)} old", limit


def _drill(fact: Backups, look: Look) -> Answer:
    return _young(fact.drilled_at, look.settings.doctor.drill_max_age, look, "drill")


def _backup_place(fact: Path | None, look: Look) -> Answer:
    place = look.facts.backup_disk
    if isinstance(place, Missing):
        return "ok", place.reason, "another disk than the data's"
    if fact is None:
        return "ok", "the server is on another machine", "another disk than the data's"
    while not place.exists():
        place = place.parent
    same = place.stat().st_dev == fact.stat().st_dev
    told = "on the disk of the data: one fault takes both" if same else "on a disk of their own"
    return ("warning" if same else "ok"), told, "another disk than the data's"


def _crawls(fact: Crawling, look: Look) -> Answer:
    limits, ratio = look.settings.doctor, fact.success_ratio
    limit = f"{limits.crawl_success:.0%} of those within {limits.crawl_window}"
    if ratio is None:
        return ("ok" if fact.jobs else "not set up"), "no crawl has ended lately", limit
    state: State = "ok" if ratio >= limits.crawl_success else "critical"
    return state, f"{fact.completed} of {fact.completed + fact.failed} came to their end ({ratio:.0%})", limit


def _jobs(fact: Crawling, look: Look) -> Answer:
    bad = fact.failed_jobs or fact.stuck
    told = f"{fact.failed_jobs} failed, {fact.stuck} stuck, of {fact.jobs}"
    return ("warning" if bad else "ok" if fact.jobs else "not set up"), told, "none"


def _queue(fact: Crawling, look: Look) -> Answer:
    limit = look.settings.doctor.queue_max_age
    if not fact.jobs:
        return "not set up", "nothing was ever enqueued", ""
    if fact.oldest_ready_at is None:
        return "ok", "nothing waits", f"at most {limit}"
    age_s = max(0.0, look.age_s(fact.oldest_ready_at))
    state: State = "warning" if age_s > duration.seconds(limit) else "ok"
    paused = "; paused" if fact.status.pauses else ""
    told = f"{fact.status.ready} wait, the oldest for {duration.words(age_s)}{paused}"
    return state, told, f"at most {limit}"


def _breaker(fact: Crawling, look: Look) -> Answer:
    budgets = fact.status.budgets
    if not budgets:
        return "not set up", "Reddit was never asked", ""
    for one in budgets:
        if one.closed_at:
            return "critical", f"circuit breaker open: {one.last_failure or 'failures in a row'}", "closed"
        if one.halted_until and one.halted_until > one.now_at:
            return "warning", f"halted: {one.halt_reason or '429'}", "closed"
    sent = sum(one.sent for one in budgets)
    return "ok", f"closed, {sent:,} requests so far", "closed"


def _precalc(fact: Graph, look: Look) -> Answer:
    limit = look.settings.doctor.precalc_max_age
    told = f"at most {limit} behind the data"
    ended = [run for run in fact.status.runs if run.finished_at is not None]
    if not ended:
        return ("warning" if fact.has_data else "not set up"), "no precalc has ended", told
    if ended[0].status == "failed":
        return "critical", f"the last one failed: {ended[0].error_message}", told
    shown = fact.status.shown
    if shown is None or shown.snapshot_at is None:
        return "critical", "no run's graph is shown", told
    age_s = look.age_s(shown.snapshot_at)
    behind = fact.data_at is not None and fact.data_at > shown.snapshot_at
    stale = behind and age_s > duration.seconds(limit)
    text = f"of {duration.words(max(0, age_s))} ago" + (", and data has come since" if behind else "")
    return ("warning" if stale else "ok"), text, told


def _graph(fact: Graph, look: Look) -> Answer:
    ran = "has run" if fact.status.shown else "has not run"
    told = f"precalc {ran}; the database {'has' if fact.has_data else 'has no'} data; " + (
        "the graph has nodes" if fact.has_nodes else "the graph is empty"
    )
    state: State = "ok" if fact.has_nodes else "critical" if fact.has_data else "not set up"
    return state, told, "not empty"


def _integrity(fact: dict[str, history.Run], look: Look) -> Answer:
    run = fact.get("integrity.check")
    limit = look.settings.doctor.integrity_max_age
    state, told, threshold = _young(run.finished_at if run else None, limit, look, "integrity check")
    if run is not None and run.verdict != "ok":
        found = run.figures.get("found_rows", 0)
        return "warning", f"{told}: {found} rows found in {run.figures.get('found_checks', 0)} checks", "none"
    return state, told, threshold


def _maintenance(fact: dict[str, history.Run], look: Look) -> Answer:
    run = fact.get("maintenance")
    limit = look.settings.doctor.maintenance_max_age
    state, told, threshold = _young(run.finished_at if run else None, limit, look, "maintenance")
    if run is not None and run.verdict != "ok":
        return "warning", f"{told}: it left something undone", "all done"
    return state, told, threshold


def _bloat(fact: integrity.BloatReport, look: Look) -> Answer:
    bloated = [one.name for one in fact.relations if one.verdict == "bloated"]
    limits = look.settings.maintenance
    told = ", ".join(bloated[:5]) if bloated else f"none of {len(fact.relations)}"
    limit = f"under {limits.bloat_ratio:.0%}, or {limits.bloat_min_mb:g} MiB"
    return ("warning" if bloated else "ok"), told, limit


def _wraparound(fact: Ages, look: Look) -> Answer:
    ratio, limit = max(fact.xid_age, fact.multixact_age) / _XIDS, look.settings.doctor.wraparound
    return _ratio(ratio, limit, (1 + limit) / 2, f"{ratio:.1%} of the transactions used up")


def _transactions(fact: db.ActivityReport, look: Look) -> Answer:
    limit = look.settings.doctor.transaction_max_age
    sessions = (*fact.active, *fact.in_transaction)
    begun: list[tuple[datetime | None, str]] = [
        (one.transaction_at, one.application or f"process {one.pid}") for one in sessions
    ]
    begun += [(one.prepared_at, f"prepared {one.gid}") for one in fact.prepared]
    known = [(at, who) for at, who in begun if at is not None]
    if not known:
        return "ok", "none is open", f"at most {limit}"
    at, who = min(known)
    age_s = (fact.at - at).total_seconds()
    state: State = "warning" if age_s > duration.seconds(limit) else "ok"
    return state, f"{who}, for {duration.words(max(0, age_s))}", f"at most {limit}"


def _indexes(fact: tuple[str, ...], look: Look) -> Answer:
    return ("warning" if fact else "ok"), ", ".join(fact[:5]) or "none is invalid", "none"


def _clock(fact: Server, look: Look) -> Answer:
    limit_s = look.settings.doctor.clock_max_s
    state: State = "warning" if abs(fact.ahead_s) > limit_s else "ok"
    return state, f"{fact.ahead_s:+.1f} s", f"within {limit_s:g} s"


def _log(fact: LogErrors, look: Look) -> Answer:
    limit = look.settings.doctor.log_errors
    state: State = "warning" if fact.ratio >= limit else "ok"
    return state, f"{fact.errors} of the newest {fact.lines} lines", f"under {limit:.0%}"


def _credentials(fact: Credentials, look: Look) -> Answer:
    state: State = "ok" if fact.complete else "warning" if fact.any else "not set up"
    if fact.refused:
        state = "critical"
    return state, fact.told, "all three set" + (", and accepted" if fact.asked else "")


CHECKS: tuple[Check, ...] = (
    Check("database", "server", _database, "redclust db status", "critical"),
    Check("schema", "schema", _schema, "redclust db migrate", "critical"),
    Check("disk", "disks", _disks, "redclust doctor disk"),
    Check("connections", "connections", _connections, "redclust db connections"),
    Check("long transactions", "activity", _transactions, "redclust db activity"),
    Check("clocks", "server", _clock, "timedatectl status"),
    Check("wraparound", "ages", _wraparound, "redclust vacuum"),
    Check("invalid indexes", "invalid_indexes", _indexes, "redclust maintenance"),
    Check("bloat", "bloat", _bloat, "redclust integrity bloat"),
    Check("server log", "server_log", _log, "redclust db log --grep 'ERROR|FATAL'"),
    Check("redclust log", "own_log", _log, "grep -w -i -E 'error|critical' {path}"),
    Check("backup", "backups", _backup, "redclust backup now"),
    Check("backup drill", "backups", _drill, "redclust backup drill"),
    Check("backup place", "data_disk", _backup_place, "redclust config show  # backup.target"),
    Check("integrity", "runs", _integrity, "redclust integrity check"),
    Check("maintenance", "runs", _maintenance, "redclust maintenance"),
    Check("graph", "graph", _graph, "redclust precalc"),
    Check("precalc", "graph", _precalc, "redclust precalc"),
    Check("crawls", "crawling", _crawls, "redclust jobs list --status failed"),
    Check("jobs", "crawling", _jobs, "redclust jobs list --status failed"),
    Check("queue", "crawling", _queue, "redclust crawl run"),
    Check("breaker", "crawling", _breaker, "redclust crawl status"),
    Check("credentials", "credentials", _credentials, "redclust config check"),
)
