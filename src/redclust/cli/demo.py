"""``redclust demo``: a first map from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option(help="Where the database and the picture go.")] = Path(
        "redclust-demo"
    ),
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Make a first map from nothing: an invented Reddit, crawled over HTTP, computed and drawn.

    Takes about half a minute, needs no server and no key, and touches no other database. An earlier demo in
    the same place is replaced.
    """
    from redclust.ops import demo

    runtime: Runtime = ctx.obj
    runtime.finish(demo.run(output.absolute(), runtime.loaded.settings, runtime.progress), fmt)
