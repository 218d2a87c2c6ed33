"""``redclust integrity``: whether the data holds, how large it is, and what is wasted."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="The data: sizes, growth, wasted space.", no_args_is_help=True)


@app.command()
def stats(
    ctx: typer.Context,
    exact: Annotated[bool, typer.Option("--exact", help="Count every table, however large.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Rows, sizes and growth since the last run, dead rows, the last vacuum, cache, wraparound."""
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity stats") as database:
        report = integrity.stats(database, runtime.loaded.settings.maintenance, runtime.progress, exact=exact)
    runtime.finish(report, fmt)


@app.command()
def bloat(
    ctx: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Look at the pages of these, whatever the estimate says.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="How long to look at pages, such as 5m; else maintenance.bloat_budget_s.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What cannot be confirmed for lack of rights is a finding (3).")
    ] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Space that holds nothing: estimated from the catalog, then confirmed for what stands out.

    Each finding has both numbers, how they were got, and the command that mends it. Exit 3 when something is
    bloated or could not be confirmed in time. Indexes that are unused, duplicate or missing are listed with
    the reasons for caution.
    """
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings.maintenance
    with runtime.database("integrity bloat") as database:
        report = integrity.bloat(
            database,
            settings,
            tables or (),
            runtime.progress,
            budget_s=settings.bloat_budget_s if budget is None else budget,
            strict=strict,
        )
    runtime.finish(report, fmt)
