"""``redclust integrity``: whether the data holds, how large it is, and what is wasted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from redclust.cli import quarantine
from redclust.cli.options import LockWait, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(
    help="The data: what is wrong and what mends it, sizes, growth, wasted space.", no_args_is_help=True
)
app.add_typer(quarantine.app, name="quarantine")


class CheckType(StrEnum):
    ALL = "all"
    POSTS = "posts"
    COMMENTS = "comments"
    GRAPH_LINKS = "graph-links"
    GRAPH_NODES = "graph-nodes"
    DUPLICATES = "duplicates"
    RELATIONSHIPS = "relationships"
    ACTIVITY = "activity"
    JOBS = "jobs"
    SEQUENCES = "sequences"
    KEYS = "keys"
    INDEXES = "indexes"
    TABLES = "tables"
    SCHEMA = "schema"
    SERVER = "server"


class CleanType(StrEnum):
    ALL = "all"
    POSTS = "posts"
    COMMENTS = "comments"
    GRAPH_LINKS = "graph-links"
    GRAPH_NODES = "graph-nodes"
    DUPLICATES = "duplicates"
    KEYS = "keys"


@app.command()
def check(
    ctx: typer.Context,
    types: Annotated[
        list[CheckType] | None, typer.Option("--type", help="Only these checks.", show_default="all")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also what is dear: activity, overlap, each row's index entry.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What was skipped counts as found (3).")] = False,
    samples: Annotated[int, typer.Option(min=1, help="How many keys of each finding to list.")] = 5,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Look for what is wrong with the data, in one snapshot; changes nothing. Exit 3 when something is found.

    Each finding says how many rows, which, what it means and what mends it. A check that this role may not
    run is listed as skipped; it counts only where its type was named, or with --deep or --strict.
    """
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity check") as database:
        report = integrity.check(
            database,
            runtime.loaded.settings,
            runtime.progress,
            types=_types(types),
            deep=deep,
            samples=samples,
            strict=strict,
        )
    runtime.finish(report, fmt)


@app.command()
def clean(
    ctx: typer.Context,
    types: Annotated[
        list[CleanType] | None, typer.Option("--type", help="Only these kinds.", show_default="all")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows a transaction.")] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Mend what check finds, in batches, beside crawlers; what is taken or changed is kept in quarantine."""
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity clean") as database:
        report = integrity.clean(
            database,
            runtime.progress,
            types=_types(types),
            batch_rows=batch,
            dry_run=dry_run,
            lock_wait_s=lock_wait,
        )
    runtime.finish(report, fmt)


@app.command()
def repair(
    ctx: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Look for indexes that lack rows, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    wait: Annotated[
        float,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="How long one step may wait for older transactions, which are named.",
            show_default="10m",
        ),
    ] = 600,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Mend keys, indexes, sequences and the schema that check finds fault with; removes no row.

    Exit 3 when something is left: rows that stand twice or break a key are for `clean`, damaged tables for a
    backup.
    """
    from redclust.ops import integrity

    runtime: Runtime = ctx.obj
    with runtime.database("integrity repair") as database:
        report = integrity.repair(
            database,
            runtime.loaded.settings,
            runtime.progress,
            deep=deep,
            dry_run=dry_run,
            wait_s=wait,
            lock_wait_s=lock_wait,
        )
    runtime.finish(report, fmt)


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


def _types(named: list[CheckType] | list[CleanType] | None) -> frozenset[str]:
    """The named types; nothing where all are meant."""
    values = frozenset(one.value for one in named or ())
    return frozenset() if "all" in values else values
