"""``redclust db activity|slow|locks|connections|terminate-idle|settings|log``: what to ask at night."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime


def activity(
    ctx: typer.Context,
    longer_than: Annotated[
        float,
        typer.Option(
            parser=length_of_time, metavar="TIME", help="List what has run so long.", show_default="2s"
        ),
    ] = 2,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """What the database's clients are doing: by state, what runs long, and who waits for whom."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("activity") as connector:
        report = db.activity(connector, longer_than_s=longer_than)
    runtime.finish(report, fmt)


def slow(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many statements.")] = 10,
    enable_log: Annotated[
        float | None,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="Log statements of this database that take so long, such as 1s.",
            show_default=False,
        ),
    ] = None,
    disable_log: Annotated[bool, typer.Option("--disable-log", help="Log none for being slow.")] = False,
    enable_statements: Annotated[
        bool,
        typer.Option(
            "--enable-statements",
            help="Have the embedded server count all statements, from its next restart on.",
        ),
    ] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Which statements take the time: from pg_stat_statements where it is, else from the log.

    Where nothing counts them it says how to have that.
    """
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("slow") as connector:
        if enable_log is not None or disable_log:
            db.enable_log(connector, None if disable_log else enable_log)
        if enable_statements:
            db.enable_statements(connector)
        report = db.slow(connector, runtime.loaded, limit=limit)
    runtime.finish(report, fmt)


def locks(
    ctx: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also the locks of ordinary reads and writes.")
    ] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Who holds which lock on what, who wants it and since when; also redclust's own locks."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("locks") as connector:
        report = db.locks(connector, every=every)
    runtime.finish(report, fmt)


def connections(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """The server's clients by database, application and state, against what it takes; exit 3 from 80 %."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("connections") as connector:
        report = db.connections(connector)
    runtime.finish(report, fmt)


def terminate_idle(
    ctx: typer.Context,
    older_than: Annotated[
        float,
        typer.Option(parser=length_of_time, metavar="TIME", help="Idle for so long, such as 10m."),
    ],
    in_transaction: Annotated[
        bool,
        typer.Option("--in-transaction", help="Also those idle inside a transaction; that is rolled back."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """End sessions of this database that do nothing; never those of redclust, of backups or of replicas."""
    from redclust.cli.confirm import moderate
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("terminate-idle") as connector:
        report = db.terminate_idle(
            connector, older_than_s=older_than, in_transaction=in_transaction, dry_run=True
        )
        if report.sessions and not dry_run:
            moderate(f"{len(report.sessions)} idle sessions will be ended: {report.names()}", yes)
            report = db.terminate_idle(
                connector, older_than_s=older_than, in_transaction=in_transaction, dry_run=False
            )
    runtime.finish(report, fmt)


def settings(
    ctx: typer.Context,
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Your own value of one.", show_default=False),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="What an external server's machine has, such as 8GB.", show_default=False
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write them to the embedded server's file.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """What memory and connections this machine and data suggest, and why; changes nothing without --apply."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    chosen = dict(_pair(text) for text in choose or ())
    with runtime.server("settings") as connector:
        report = db.settings(connector, apply=apply, chosen=chosen, memory=memory)
    runtime.finish(report, fmt)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name.strip(), value.strip()


def log(
    ctx: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines from the end.")] = 50,
    grep: Annotated[
        str | None, typer.Option(help="Only lines that match, such as duration:", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print the end of the embedded server's log; of an external one it says where to look."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    for line in (db.follow if follow else db.log)(runtime.loaded, lines, grep):
        typer.echo(line)
