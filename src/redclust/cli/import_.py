"""``redclust import``: dumps, or the older system's database, into the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Dumps: .zst .gz .ndjson .csv, told by their content; - is standard input."),
    ] = None,
    subreddit: Annotated[
        list[str] | None, typer.Option(help="Only this subreddit (may be given several times).")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only rows created at or after this time, UTC.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only rows created before this time, UTC.")
    ] = None,
    from_database: Annotated[
        str | None, typer.Option(metavar="URL", help="Bring the older system's tables over instead.")
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Import Pushshift or Arctic Shift dumps, or a CSV of username,subreddit,interactions.

    A killed import goes on where it was; a file imported twice changes nothing. Lines that cannot be read go
    to a rejects file with line number and reason (exit 3); a truncated or corrupt file is said to be so (exit
    16), and what was read before is kept. Times are 2021-04-01 or 2021-04-01T12:00:00.
    """
    from redclust.ops import import_

    runtime: Runtime = ctx.obj
    request = import_.parse(
        files or [], subreddits=subreddit, since=since, until=until, from_database=from_database
    )
    with runtime.database("import") as database:
        report = import_.run(database, request, runtime.loaded, runtime.progress)
    runtime.finish(report, fmt)
