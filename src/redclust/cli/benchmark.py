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


@app.command()
def queue(
    ctx: typer.Context,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs that each side works off.")] = 60_000,
    runs: Annotated[int, typer.Option(min=3, help="Pairs of runs that they are divided into.")] = 60,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Work jobs off in a throw-away database, beside a bare SELECT … FOR UPDATE SKIP LOCKED loop."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    with runtime.server("benchmark") as connector:
        report = benchmark.queue_benchmark(
            connector, runtime.loaded.settings.queue, jobs=jobs, runs=runs, progress=runtime.progress
        )
    runtime.finish(report, fmt)


@app.command()
def backup(
    ctx: typer.Context,
    runs: Annotated[int, typer.Option(min=1, help="Rounds of all sides.")] = 3,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where there is room for three backups and the plain SQL.", show_default=False),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Back this database up, verified, beside pg_dump alone (gzip, zstd -3), and restore it beside psql."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    with runtime.server("benchmark") as connector:
        report = benchmark.backup_benchmark(
            connector, runtime.loaded, runs=runs, directory=directory, progress=runtime.progress
        )
    runtime.finish(report, fmt)


@app.command("map")
def map_(
    ctx: typer.Context,
    people: Annotated[int, typer.Option(min=1000, help="People of the planted world.")] = 200_000,
    subreddits: Annotated[int, typer.Option(min=500, help="Its subreddits, 60 of them hubs.")] = 5_000,
    bots: Annotated[int, typer.Option(min=0, help="Its bots.")] = 10,
    nodes: Annotated[
        list[int] | None,
        typer.Option(min=500, help="Nodes of a graph that is drawn, 10000 if not said; repeat for more."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plants the same.")] = 7,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """How well planted communities are found and drawn, beside other ways to do it; needs no database."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    report = benchmark.map_benchmark(
        people=people,
        subreddits=subreddits,
        bots=bots,
        nodes=nodes or [10_000],
        seed=seed,
        progress=runtime.progress,
    )
    runtime.finish(report, fmt)


def _number(text: str) -> int:
    """1000000, 500k or 5m."""
    told = text.strip().lower()
    factor = {"k": 1_000, "m": 1_000_000}.get(told[-1:], 1)
    digits = told.rstrip("km")
    if not digits.isdigit() or not int(digits):
        raise typer.BadParameter(f"{text!r} is not a number such as 50000, 500k or 1m")
    return int(digits) * factor


@app.command()
def precalc(
    ctx: typer.Context,
    memberships: Annotated[str, typer.Option(help="Of the planted world, such as 3m or 10m.")] = "1m",
    subreddits: Annotated[int, typer.Option(min=500, help="Its subreddits, 60 of them hubs.")] = 20_000,
    runs: Annotated[int, typer.Option(min=1, help="Pairs of runs of each comparison.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plants the same.")] = 7,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """The map of a planted world, beside COPY of its rows; and after small changes, beside a full run."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    settings, size = runtime.loaded.settings.precalc, _number(memberships)
    with runtime.server("benchmark") as connector:
        report = benchmark.precalc_benchmark(
            connector,
            settings,
            memberships=size,
            subreddits=subreddits,
            runs=runs,
            seed=seed,
            progress=runtime.progress,
        )
    runtime.finish(report, fmt)


@app.command()
def graph(
    ctx: typer.Context,
    runs: Annotated[int, typer.Option(min=1, help="Warm runs of each query and client.")] = 5,
    clients: Annotated[int, typer.Option(min=1, max=64, help="How many ask at a time.")] = 1,
    size: Annotated[
        str | None,
        typer.Option(help="Make a throw-away graph of so many nodes first, such as 1m.", show_default=False),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the result here.", show_default=False)] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Compare with such a file; slower is exit 3.", show_default=False)
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each was answered.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Ask what readers of the map ask, as a client gets it: times, rows, bytes, and the plans judged."""
    from redclust.ops import benchmark

    runtime: Runtime = ctx.obj
    nodes = None if size is None else _number(size)
    limits = runtime.loaded.settings.benchmark
    with runtime.server("benchmark") as connector:
        report = benchmark.graph_benchmark(
            connector,
            limits,
            runs=runs,
            clients=clients,
            size=nodes,
            saved=compare,
            progress=runtime.progress,
        )
    if explain:
        typer.echo("\n\n".join(f"{q.name}\n{p.text}" for q in report.questions for p in q.plans), err=True)
    runtime.finish(report, fmt, save=(report, save) if save is not None else None)
