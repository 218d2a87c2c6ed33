"""``redclust doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="What is wrong, and what to do about it.", no_args_is_help=True)


@app.command()
def disk(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """What could go when the disk is full, in bytes, safest first, with the command; changes nothing.

    Works with the database down. Exit 3 when a disk is used to 85 % or more.
    """
    from redclust.ops import doctor

    runtime: Runtime = ctx.obj
    runtime.finish(doctor.disk(runtime.loaded), fmt)
