"""``redclust reindex``: indexes built anew."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import LockWait, MaxDuration, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime


def command(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Tables and indexes.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every index of the application.")] = False,
    concurrently: Annotated[
        bool,
        typer.Option(
            "--concurrently/--no-concurrently",
            help="Beside readers and writers; without it writers wait, and readers who would use the index.",
        ),
    ] = True,
    deep: Annotated[
        bool, typer.Option("--deep", help="Check afterwards that each row has its entry, too.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="How long one index may wait for older transactions, which are named.",
            show_default="10m",
        ),
    ] = 600,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    max_duration: MaxDuration = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Build indexes anew, one after the other, and check each; drop what dead runs have left of it.

    A transaction that has to end first is named, and waited for as long as --wait says; an index that was
    not built anew is listed (exit 3), and nothing is left of the try.
    """
    from redclust.ops import reindex

    runtime: Runtime = ctx.obj
    request = reindex.Request(
        names or (), everything, concurrently, deep, dry_run, wait, max_duration, lock_wait
    )
    with runtime.database("reindex") as database:
        report = reindex.reindex(database, request, runtime.progress)
    runtime.finish(report, fmt)
