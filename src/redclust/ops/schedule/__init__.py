"""``schedule``: what cron or systemd is to run, and when."""

from redclust.ops.schedule.plan import File, ScheduleReport
from redclust.ops.schedule.run import cron, systemd

__all__ = ["File", "ScheduleReport", "cron", "systemd"]
