"""``redclust precalc``: the map, computed and swapped in."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer()


@app.callback(invoke_without_command=True)
def command(
    ctx: typer.Context,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear", help="Take nothing over from the graph that is there (PRECALC_CLEAR_ON_START)."
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full/--incremental",
            help="All of it again, each row held against the result; or what changed, where little did.",
        ),
    ] = False,
    min_shared_users: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Users that two subreddits must share to be related; 3, and 2 under 10,000 memberships.",
            show_default=False,
        ),
    ] = None,
    detailed: Annotated[
        bool | None,
        typer.Option(
            "--detailed/--no-detailed",
            help="Posts and comments are nodes too (DETAILED_GRAPH).",
            show_default="off",
        ),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(
            "--every",
            parser=length_of_time,
            metavar="TIME",
            help="Again and again at such intervals, as 1h, until SIGTERM.",
            show_default=False,
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Compute who is active where, which subreddits share users, communities and a map, and swap them in.

    Readers see the old graph or the new one, never a part; when anything fails the old one stays. Bots are
    left out and named. The same data gives the same map, and a graph that has not changed writes nothing.
    """
    if ctx.invoked_subcommand is not None:
        return
    from redclust.ops import precalc

    runtime: Runtime = ctx.obj
    compute = partial(
        precalc.run,
        settings=runtime.loaded.settings.precalc,
        progress=runtime.progress,
        clear=clear,
        full=full,
        min_shared_users=min_shared_users,
        detailed=detailed,
    )
    opened = partial(runtime.database, "precalc")
    if every is not None:
        runtime.finish(precalc.every(opened, compute, runtime.progress, interval_s=every), fmt)
        return
    with opened() as database:
        report = compute(database)
    runtime.finish(report, fmt)


@app.command()
def status(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many runs to list.")] = 10,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """When the graph was computed and from what, and how the newest runs ended."""
    from redclust.ops import precalc

    runtime: Runtime = ctx.obj
    with runtime.database("precalc status") as database:
        report = precalc.status(database, limit=limit)
    runtime.finish(report, fmt)
