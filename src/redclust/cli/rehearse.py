"""``redclust rehearse``: a Reddit to rehearse against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

WEATHER = (
    "Weather is KIND key=value …: --weather '503 share=0.1' --weather '429 retry-after=7 requests=100' "
    "--weather 'private sub=golang' --weather 'timeout on=listing seconds=60-90'. --weather help lists the "
    "kinds; the runbook says what each does."
)


def command(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8765,
    seed: Annotated[int, typer.Option(help="The same seed and size give the same Reddit.")] = 7,
    subreddits: Annotated[int, typer.Option(help="How many subreddits.")] = 300,
    users: Annotated[int, typer.Option(help="How many users.")] = 4_000,
    communities: Annotated[int, typer.Option(help="How many communities are planted.")] = 12,
    posts: Annotated[int, typer.Option(help="How many posts.")] = 8_000,
    comments: Annotated[int, typer.Option(help="How many comments.")] = 40_000,
    budget: Annotated[int, typer.Option(min=1, help="Requests of a client id in each window.")] = 1_000,
    window: Annotated[
        float,
        typer.Option(parser=length_of_time, metavar="TIME", help="How long a window is.", show_default="10m"),
    ] = 600.0,
    token_life: Annotated[
        float,
        typer.Option(
            parser=length_of_time, metavar="TIME", help="How long a token is good.", show_default="1d"
        ),
    ] = 86_400.0,
    shown_comments: Annotated[
        int, typer.Option(min=1, help="Comments that one look at a post shows; the rest is behind `more`.")
    ] = 500,
    weather: Annotated[list[str] | None, typer.Option(help="What goes wrong, see below.")] = None,
    weather_file: Annotated[
        typer.FileText | None, typer.Option(help="A file of such rules.", show_default=False)
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="A line of JSON here for each request.", show_default=False)
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Serve a Reddit to rehearse against, on loopback, until SIGTERM.

    Prints the settings that point redclust at it, as a file for --env-file. Needs no key and no database.
    http://…/rehearsal on the same port tells and changes how it stands.
    """
    from redclust.ops import rehearse

    runtime: Runtime = ctx.obj
    rehearse.run(
        rehearse.WorldSize(seed, subreddits, users, communities, posts, comments),
        port=port,
        caps=rehearse.Caps(comments=shown_comments),
        budget=rehearse.Budget(budget, window_s=window),
        token_life_s=token_life,
        weather=[*(weather or ()), *(weather_file or ())],
        log=log,
        ready=lambda report: runtime.finish(report, fmt),
        progress=runtime.progress,
    )
