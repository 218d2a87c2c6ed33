"""``jobs``: the queue of crawl jobs as its operator sees and steers it."""

from redclust.ops.jobs.change import (
    ClearReport,
    EnqueueReport,
    PriorityReport,
    ResetReport,
    RetryReport,
    check_clear,
    clear,
    enqueue,
    priority,
    reset_stuck,
    retry,
)
from redclust.ops.jobs.listing import JobLine, JobsReport, PastRun, ShowReport, WorkerLine, jobs, show
from redclust.ops.jobs.pausing import PauseReport, pause, resume
from redclust.ops.jobs.why import WhyReport, why

__all__ = [
    "ClearReport",
    "EnqueueReport",
    "JobLine",
    "JobsReport",
    "PastRun",
    "PauseReport",
    "PriorityReport",
    "ResetReport",
    "RetryReport",
    "ShowReport",
    "WhyReport",
    "WorkerLine",
    "check_clear",
    "clear",
    "enqueue",
    "jobs",
    "pause",
    "priority",
    "reset_stuck",
    "resume",
    "retry",
    "show",
    "why",
]
