"""``jobs`` in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Console

from redclust.ops.jobs import (
    ClearReport,
    EnqueueReport,
    JobLine,
    JobsReport,
    PauseReport,
    PriorityReport,
    ResetReport,
    RetryReport,
    ShowReport,
    WhyReport,
)
from redclust.render.output import table
from redclust.report import Report

_STATUSES = ("pending", "crawling", "completed", "failed")
_BEFORE = {None: "enqueued", "crawling": "is being crawled already", "pending": "waited already"}


def show(report: Report, out: Console) -> None:
    match report:
        case JobsReport():
            _list(report, out)
        case ShowReport():
            _show(report, out)
        case WhyReport():
            out.print(report.sentence)
        case EnqueueReport():
            for one in report.jobs:
                out.print(f"r/{one.name}: {_BEFORE.get(one.before, f'enqueued again (was {one.before})')}")
        case ResetReport():
            for one in report.reset:
                out.print(str(one))
            out.print(f"{len(report.reset)} jobs reset; {report.crawling} are being crawled")
        case PauseReport():
            _pause(report, out)
        case _:
            _changed(report, out)


def _changed(report: Report, out: Console) -> None:
    match report:
        case RetryReport():
            out.print(f"{len(report.retried)} failed jobs wait again{_named(report.retried)}")
            for name, status in report.others.items():
                out.print(f"r/{name}: {f'is {status}, not failed' if status else 'has no job'}")
        case ClearReport():
            told = _counted(report.cleared) or "no jobs"
            out.print(f"Would delete {told}" if report.dry_run else f"Deleted {told}")
        case PriorityReport():
            later = " for its next turn: it is being crawled" if report.status == "crawling" else ""
            out.print(f"r/{report.subreddit_name} has priority {report.priority}{later}")
        case _:
            raise TypeError(type(report).__name__)


def _list(report: JobsReport, out: Console) -> None:
    out.print(_counted({s: report.counts.get(s, 0) for s in _STATUSES}))
    for one in report.pauses:
        out.print(f"Paused by {one.holder} since {_at(one.since)} UTC: {one.reason}")
    if report.workers:
        at_work = [f"{w.pid} on {w.host}{f' (r/{w.job})' if w.job else ' (idle)'}" for w in report.workers]
        out.print(f"Workers: {', '.join(at_work)}")
    elif report.counts.get("pending"):
        out.print("No worker is alive: redclust crawl run")
    if report.jobs:
        shown = table("subreddit", "status", "priority", "pages", "tries", "since", "", right=_NUMBERS)
        for job in report.jobs:
            shown.add_row(*_row(job))
        out.print(shown)
    if report.more:
        out.print(f"… and more: --limit {len(report.jobs) * 2}")


_NUMBERS = ("priority", "pages", "tries")


def _row(job: JobLine) -> tuple[str, ...]:
    raised = f" ({job.urgency})" if job.urgency not in (None, job.priority) else ""
    numbers = (f"{job.priority}{raised}", str(job.pages), str(job.attempts))
    since = job.started_at if job.status == "crawling" else job.completed_at or job.run_at
    return (f"r/{job.subreddit_name}", job.status, *numbers, _at(since), _remark(job))


def _remark(job: JobLine) -> str:
    if job.status == "crawling":
        return f"worker {job.pid} on {job.host}" if job.host else "nobody holds it"
    return job.error_message or job.verdict or ""


def _show(report: ShowReport, out: Console) -> None:
    job = report.job
    out.print(f"r/{job.subreddit_name}: {job.status}, priority {job.priority}")
    told: dict[str, object] = {
        "urgency now": job.urgency,
        "may run from": _at(job.run_at),
        "enqueued": _at(job.created_at),
        "started": _at(job.started_at),
        "ended": _at(job.completed_at),
        "verdict": job.verdict,
        "error": job.error_message,
        "tries without a page": job.attempts or None,
        "pages": job.pages or None,
        "worker": f"{job.pid} on {job.host}" if job.host else None,
        "heartbeat": _at(job.heartbeat_at),
        "lease until": _at(job.lease_until),
        "options": job.options or None,
        "checkpoint": "it goes on where it was" if job.checkpoint else None,
    }
    for name, value in told.items():
        if value:
            out.print(f"{name:<21}{value}")
    if report.runs:
        shown = table("started", "ended", "outcome", "pages", "worker", "", right=("pages",))
        for run in report.runs:
            worker = f"{run.pid} on {run.host}" if run.host else ""
            remark = run.error_message or run.verdict or ""
            times = (_at(run.started_at), _at(run.finished_at))
            shown.add_row(*times, run.outcome, str(run.pages), worker, remark)
        out.print(shown)


def _pause(report: PauseReport, out: Console) -> None:
    if not report.pauses:
        out.print("The queue runs")
        return
    for one in report.pauses:
        out.print(f"Paused by {one.holder} since {_at(one.since)} UTC: {one.reason}")
    if report.crawling:
        out.print(
            f"{report.crawling} jobs are still in the hands of workers, until the page in hand is stored"
        )
    if report.resumed:
        out.print("redclust jobs resume --all lifts that too: only where the restore was killed")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counts.items())


def _named(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = ", …" if len(names) > 10 else ""
    return f": {', '.join(f'r/{name}' for name in names[:10])}{more}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
