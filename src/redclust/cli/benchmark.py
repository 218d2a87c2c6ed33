"""``redclust benchmark``: speed as a ratio against a baseline in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(
    help="Speed, as a ratio against a named baseline measured in the same run.", no_args_is_help=True
)


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="The dumps to import.")],
    runs: Annotated[int, typer.Option(min=1, help="Pairs of runs.")] = 5,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Import dumps into a throw-away database, beside a raw binary COPY of the very same rows."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    batch_rows = runtime.loaded.settings.imports.batch_rows
    with runtime.server("benchmark") as connector:
        report = benchmark.import_benchmark(
            connector, files, runs=runs, batch_rows=batch_rows, progress=runtime.progress
        )
    runtime.finish(report, fmt)
