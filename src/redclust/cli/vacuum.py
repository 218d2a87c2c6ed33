"""``redclust vacuum``: dead rows made reusable."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import LockWait, MaxDuration, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    tables: Annotated[list[str] | None, typer.Argument(help="Only these tables.", show_default=False)] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Write them anew: gives space back, keeps everybody out meanwhile.")
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The database's name, for --full where nobody can be asked.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="How long --full waits for others to leave a table, never in front of readers.",
            show_default="2m",
        ),
    ] = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    max_duration: MaxDuration = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Vacuum and analyze all tables, or those named, beside everybody who works with them.

    A table that another session has locked is skipped and named (exit 3), and so is whoever keeps dead rows
    from being removed. With --full tables are written anew, the smallest first; --dry-run says what that
    locks, needs and takes.
    """
    from redclust.cli.confirm import severe
    from redclust.ops import vacuum

    runtime: Runtime = ctx.obj
    names, progress = tables or (), runtime.progress
    with runtime.database("vacuum") as database:
        if not full:
            report = vacuum.vacuum(
                database, names, progress, dry_run=dry_run, max_duration_s=max_duration, lock_wait_s=lock_wait
            )
        else:
            report = vacuum.plan(database, names)
            if not dry_run:
                severe(report.consequences(), database.name(), confirm)
                report = vacuum.full(
                    database, names, progress, wait_s=wait, max_duration_s=max_duration, lock_wait_s=lock_wait
                )
    runtime.finish(report, fmt)
