"""``redclust db``: the database itself."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli import incidents
from redclust.cli.options import LockWait
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="The database: start, stop, look, migrate, upgrade.", no_args_is_help=True)
app.command("activity")(incidents.activity)
app.command("slow")(incidents.slow)
app.command("locks")(incidents.locks)
app.command("connections")(incidents.connections)
app.command("terminate-idle")(incidents.terminate_idle)
app.command("settings")(incidents.settings)
app.command("log")(incidents.log)


@app.command()
def start(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """Start the embedded server and let it stay until `db stop`."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    runtime.finish(db.start(runtime.loaded), fmt)


@app.command()
def stop(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option(help="Also when other commands use it; they fail.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Stop the embedded server; refuses while other commands use it."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    runtime.finish(db.stop(runtime.loaded, force=force), fmt)


@app.command()
def restart(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option(help="Also when other commands use it; they fail.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Stop the embedded server and start it anew, to stay."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    runtime.finish(db.restart(runtime.loaded, force=force), fmt)


@app.command()
def status(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """Which database is used, whether it runs, its version, size and schema; starts nothing."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    runtime.finish(db.status(runtime.loaded), fmt)


@app.command()
def url(ctx: typer.Context) -> None:
    """Print the database's URL, without a password; `db start` keeps an embedded server answering."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    typer.echo(db.url(runtime.loaded))


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def psql(ctx: typer.Context) -> None:
    """Open psql on the database; arguments after -- are psql's: redclust db psql -- -c 'SELECT 1'."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("psql") as connector:
        code = db.psql(connector, runtime.loaded, ctx.args)
    raise typer.Exit(code)


@app.command()
def migrate(
    ctx: typer.Context,
    status: Annotated[bool, typer.Option("--status", help="Only say what is applied.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be applied.")] = False,
    lock_wait: LockWait = 120,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Bring the schema up to date, each step in one transaction; waits 2 minutes for a backup to end."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    with runtime.server("migrate") as connector:
        report = db.migrate(connector, apply=not (status or dry_run), wait_s=lock_wait)
    runtime.finish(report, fmt)


@app.command()
def upgrade(
    ctx: typer.Context,
    old_bin_dir: Annotated[
        str | None,
        typer.Option(help="The programs of the data's own major version; else those of Debian's packages."),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Bring an embedded data directory of another major version over, by dump and restore; keeps the old."""
    from redclust.ops import db

    runtime: Runtime = ctx.obj
    runtime.finish(db.upgrade(runtime.loaded, old_bin_dir, runtime.progress), fmt)
