"""``redclust maintenance``: a round of everything that a database wants done now and then."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import LockWait, MaxDuration
from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    max_duration: MaxDuration = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Drop leftovers and old jobs, vacuum and analyze all, build bloated indexes anew, tidy backups.

    For cron, weekly or monthly. Beside readers and writers; never beside a backup, a restore or a migration.
    Whatever was not done is listed, and so is what only you may do (exit 3).
    """
    from redclust.ops import maintenance

    runtime: Runtime = ctx.obj
    with runtime.database("maintenance") as database:
        report = maintenance.maintenance(
            database,
            runtime.loaded,
            runtime.progress,
            dry_run=dry_run,
            max_duration_s=max_duration,
            lock_wait_s=lock_wait,
        )
    runtime.finish(report, fmt)
