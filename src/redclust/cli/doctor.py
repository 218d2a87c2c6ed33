"""``redclust doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer()


@app.callback(invoke_without_command=True)
def command(
    ctx: typer.Context,
    as_cron: Annotated[
        bool, typer.Option("--as-cron", help="Look with the empty environment that cron gives.")
    ] = False,
    ask_reddit: Annotated[
        bool, typer.Option("--ask-reddit", help="See whether the credentials are accepted: one request.")
    ] = False,
    nagios: Annotated[
        bool,
        typer.Option(
            "--nagios", help="One line and a plugin's exit codes: 0 ok, 1 warning, 2 critical, 3 unknown."
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the diagnostics for an issue, without secrets and content.",
            show_default=False,
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Check everything: database, disks, backups, crawls, the graph, each with its threshold and what helps.

    Exit 0 when all is well, 3 with a warning or worse. What was never set up is not wrong; what could not be
    looked at is *not checked*, and says why. The thresholds are in the configuration (doctor).
    """
    if ctx.invoked_subcommand is not None:
        return
    from redclust.ops import doctor

    runtime: Runtime = ctx.obj
    if as_cron:
        runtime.again_as_cron()
    found = doctor.examine(runtime.loaded, nagios=nagios, ask_reddit=ask_reddit)
    save = (doctor.diagnose(runtime.loaded), report) if report is not None else None
    runtime.finish(found, fmt, save=save)


@app.command()
def disk(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """What could go when the disk is full, in bytes, safest first, with the command; changes nothing.

    Works with the database down. Exit 3 when a disk is used to 85 % or more.
    """
    from redclust.ops import doctor

    runtime: Runtime = ctx.obj
    runtime.finish(doctor.disk(runtime.loaded), fmt)
