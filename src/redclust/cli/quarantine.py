"""``redclust integrity quarantine``: what clean took out, and putting it back."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import LockWait, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="What clean took out, and putting it back.", no_args_is_help=True)


@app.command("ls")
def ls(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """The runs of clean whose rows are kept, the newest first."""
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity quarantine ls") as database:
        report = integrity.list_quarantine(database)
    runtime.finish(report, fmt)


@app.command()
def restore(
    ctx: typer.Context,
    run: Annotated[int, typer.Argument(help="The run's number, as `quarantine ls` lists it.")],
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Put back what a run removed or changed, exactly as it was; what was wrong is wrong again."""
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity quarantine restore") as database:
        report = integrity.restore_quarantine(database, run, runtime.progress, lock_wait_s=lock_wait)
    runtime.finish(report, fmt)


@app.command()
def drop(
    ctx: typer.Context,
    older_than: Annotated[
        float,
        typer.Option(parser=length_of_time, metavar="TIME", help="Runs that began so long ago, such as 30d."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The database's name, where nobody can be asked.", show_default=False)
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Give up what old runs removed: it cannot be put back after that."""
    from redclust.cli.confirm import severe
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity quarantine drop") as database:
        if not dry_run:
            severe("What old runs removed will be gone for good", database.name(), confirm)
        report = integrity.drop_quarantine(database, older_than, runtime.progress, dry_run=dry_run)
    runtime.finish(report, fmt)
