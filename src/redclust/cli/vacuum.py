"""``redclust vacuum``: dead rows made reusable."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import LockWait, MaxDuration
from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    tables: Annotated[list[str] | None, typer.Argument(help="Only these tables.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    max_duration: MaxDuration = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Vacuum and analyze all tables, or those named, beside everybody who works with them.

    A table that another session has locked is skipped and named (exit 3), and so is whoever keeps dead rows
    from being removed.
    """
    from redclust.ops import vacuum

    runtime: Runtime = ctx.obj
    with runtime.database("vacuum") as database:
        report = vacuum.vacuum(
            database,
            tables or (),
            runtime.progress,
            dry_run=dry_run,
            max_duration_s=max_duration,
            lock_wait_s=lock_wait,
        )
    runtime.finish(report, fmt)
