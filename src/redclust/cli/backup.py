"""``redclust backup``: backups that were read back before they count."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from redclust.cli.options import LockWait
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="Backups: make, list, verify, tidy, take elsewhere.", no_args_is_help=True)


class DumpFormat(StrEnum):
    """What pg_dump writes."""

    CUSTOM = "custom"
    PLAIN = "plain"


@app.command()
def now(
    ctx: typer.Context,
    dump_format: Annotated[
        DumpFormat,
        typer.Option(help="custom: an archive for restore; plain: SQL text for psql."),
    ] = DumpFormat.CUSTOM,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=64, help="Tables dumped at a time.", show_default=False),
    ] = None,
    tidy: Annotated[bool, typer.Option(help="Tidy afterwards.")] = True,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Back the database up, read the backup back, and tidy.

    Rows are counted in the dump's own snapshot. What cannot be read back to its end is no backup and is
    removed; an interrupted run leaves a .partial that tidy removes after a day.
    """
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    options = backup.Options(dump_format.value, jobs, tidy, lock_wait)
    runtime.finish(backup.now(runtime.loaded, options, runtime.progress), fmt)
