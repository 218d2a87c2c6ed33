"""``backup every``: a backup at regular times, for those without cron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redclust import duration
from redclust.config import Loaded
from redclust.ops.backup import now
from redclust.ops.backup.now import Options
from redclust.ops.every import repeat
from redclust.report import Progress, Report


@dataclass(frozen=True, slots=True)
class LoopReport(Report):
    """What a loop did until it was ended by SIGTERM."""

    verb: ClassVar[str] = "backup.every"
    made: int
    failed: int


def run(loaded: Loaded, options: Options, progress: Progress, *, interval_s: float | None) -> LoopReport:
    """Back up at once and then every ``interval_s``; a failure is told and does not end it. SIGTERM does.

    A backup in the middle of which SIGTERM comes leaves nothing behind.

    Raises:
        ConfigError: nothing will change by trying again.
    """

    def once() -> tuple[bool, list[str]]:
        report = now.run(loaded, options, progress)
        brake = [report.tidy.brake] if report.tidy and report.tidy.brake else []
        completed = f"Backup completed: {report.path} (size={report.size_bytes} bytes)"
        return True, [completed, *(f"WARNING: {text}" for text in (*report.failing, *brake))]

    every_s = duration.seconds(loaded.settings.backup.interval) if interval_s is None else interval_s
    return LoopReport(*repeat(once, what="backup", interval_s=every_s, progress=progress))
