"""``backup every``: a backup at regular times, for those without cron."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import psycopg

from redclust import duration
from redclust.config import Loaded
from redclust.db.failures import in_words
from redclust.errors import ConfigError, RedclustError
from redclust.ops.backup import now
from redclust.ops.backup.now import BackupReport, Options
from redclust.report import Progress, Report

_TERMINATED = 143


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
    every_s = duration.seconds(loaded.settings.backup.interval) if interval_s is None else interval_s
    made = failed = 0
    try:
        while True:
            next_s = time.monotonic() + every_s
            report = _once(loaded, options, progress)
            made, failed = made + (report is not None), failed + (report is None)
            time.sleep(max(0.0, next_s - time.monotonic()))
    except SystemExit as ended:
        if ended.code != _TERMINATED:
            raise
    return LoopReport(made, failed)


def _once(loaded: Loaded, options: Options, progress: Progress) -> BackupReport | None:
    try:
        report = now.run(loaded, options, progress)
    except ConfigError:
        raise
    except (RedclustError, psycopg.Error, OSError) as error:
        told = error if isinstance(error, RedclustError) else in_words(error)
        progress.say(f"backup failed: {told or error}")
        return None
    progress.say(f"Backup completed: {report.path} (size={report.size_bytes} bytes)")
    for text in (*report.failing, *([report.tidy.brake] if report.tidy and report.tidy.brake else [])):
        progress.say(f"WARNING: {text}")
    return report
