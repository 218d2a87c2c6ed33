"""``redclust config``: what is set, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="The configuration: show it, check it, make a file.", no_args_is_help=True)


@app.command()
def show(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """Every key with its value and where that comes from; secrets as ****."""
    from redclust.ops import config

    runtime: Runtime = ctx.obj
    runtime.finish(config.show(runtime.loaded), fmt)


@app.command()
def check(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """Check every source; says which names are accepted but not read."""
    from redclust.ops import config

    runtime: Runtime = ctx.obj
    runtime.finish(config.check(runtime.loaded), fmt)


@app.command()
def init(
    ctx: typer.Context,
    path: Annotated[Path | None, typer.Argument(help="Where; the default place if left out.")] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Write a configuration file with every default; never over an existing one."""
    from redclust.ops import config

    runtime: Runtime = ctx.obj
    runtime.finish(config.init(path or runtime.config), fmt)
