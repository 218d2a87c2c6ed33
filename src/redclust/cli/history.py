"""``redclust history``: what ran, when, and where its figures go."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    verb: Annotated[
        str | None,
        typer.Argument(
            help="Such as backup, drill, maintenance or precalc; all of them without.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs, the newest ones.")] = 20,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Past runs of precalc, backup, drill, restore, maintenance, integrity and benchmarks, with trends.

    A run that could not reach the database has left no row; `backup status` knows of failed backups too.
    """
    from redclust.ops import history

    runtime: Runtime = ctx.obj
    with runtime.database("history") as database:
        report = history.look(database, verb, limit=limit)
    runtime.finish(report, fmt)
