"""``redclust schedule``: everything that is to run by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(
    help="What cron or systemd is to run, with all that it needs; installs nothing.", no_args_is_help=True
)
User = Annotated[str | None, typer.Option(help="Who runs it; you, unless told.", show_default=False)]
Write = Annotated[
    Path | None, typer.Option("--write", metavar="DIR", help="Write the files there.", show_default=False)
]


@app.command()
def cron(ctx: typer.Context, user: User = None, write: Write = None, fmt: FormatOption = Format.TEXT) -> None:
    """A crontab: crawls, the map hourly, a backup daily, a drill and maintenance weekly, integrity monthly.

    A line prints nothing on success and one line on failure, and never overlaps itself.
    """
    from redclust.ops import schedule

    runtime: Runtime = ctx.obj
    files = {"config": runtime.config, "env_file": runtime.env_file_named()}
    runtime.finish(schedule.cron(runtime.loaded, **files, user=user, directory=write), fmt)


@app.command()
def systemd(
    ctx: typer.Context, user: User = None, write: Write = None, fmt: FormatOption = Format.TEXT
) -> None:
    """The same as services and timers of systemd."""
    from redclust.ops import schedule

    runtime: Runtime = ctx.obj
    files = {"config": runtime.config, "env_file": runtime.env_file_named()}
    runtime.finish(schedule.systemd(runtime.loaded, **files, user=user, directory=write), fmt)
