"""``redclust metrics``: figures for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Runtime, until_terminated


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{text!r} is not a port, or HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def command(
    ctx: typer.Context,
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.prom", help="Write node-exporter's textfile, atomically.", show_default=False
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Answer on this port until SIGTERM; on 127.0.0.1 unless a host is named.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Everything that doctor looks at as figures for Prometheus, on stdout unless told otherwise.

    With the database down redclust_up is 0 and its figures are missing. docs/alerts.yml has alerts on them.
    Counting the graph reads every link, about a second for five million: ask once a minute.
    """
    from redclust.ops import metrics

    runtime: Runtime = ctx.obj
    if textfile is not None:
        metrics.textfile(runtime.loaded, textfile)
    elif listen is not None:
        with until_terminated() as ended:
            metrics.serve(runtime.loaded, *_address(listen), runtime.say, ended)
    else:
        typer.echo(metrics.exposition(runtime.loaded), nl=False)
