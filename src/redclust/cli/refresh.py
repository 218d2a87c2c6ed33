"""``redclust crawl refresh``: what people deleted goes here too."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

For = Annotated[
    float | None,
    typer.Option(
        "--for",
        parser=length_of_time,
        metavar="TIME",
        help="End after so long, such as 2h.",
        show_default=False,
    ),
]
MaxRequests = Annotated[int | None, typer.Option(min=1, help="Requests to send at most.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what is due and what it costs; ask nothing.")]


def command(
    ctx: typer.Context,
    for_s: For = None,
    max_requests: MaxRequests = None,
    dry_run: DryRun = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Look again at stored posts, comments and accounts, a hundred a request, the oldest check first.

    Edits and scores are taken over; what was deleted is blanked, and no later import brings it back. Only
    requests that no crawler wants are sent. It can be ended at any time and goes on where it was.
    """
    from redclust.ops.crawl import refresh

    runtime: Runtime = ctx.obj
    limits = refresh.Limits(for_s, max_requests)
    with runtime.database("crawl refresh") as database:
        report = refresh.refresh(database, runtime.loaded.settings, limits, runtime.progress, dry_run=dry_run)
    runtime.finish(report, fmt)
