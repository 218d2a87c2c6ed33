"""The verbs, and the options that all of them have."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated

import typer

from redclust import __version__
from redclust.cli import (
    backup,
    benchmark,
    config,
    crawl,
    db,
    demo,
    doctor,
    graph,
    history,
    import_,
    integrity,
    jobs,
    maintenance,
    metrics,
    precalc,
    rehearse,
    reindex,
    restore,
    schedule,
    vacuum,
)
from redclust.cli.runtime import Runtime
from redclust.errors import exit_code_table

_EXIT_CODES = " · ".join(f"{code} {meaning}" for code, meaning in exit_code_table())

app = typer.Typer(
    help="A Reddit cluster map: import dumps, compute communities, look at the map, "
    "on a Postgres that redclust brings along or on one of your own.",
    epilog=f"Start with: redclust demo. Exit codes: {_EXIT_CODES}.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # A traceback of ours goes through main(), which knows about -vv and about secrets in locals.
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.command)
app.command("rehearse", epilog=rehearse.WEATHER)(rehearse.command)
app.command("import")(import_.command)
app.add_typer(crawl.app, name="crawl")
app.add_typer(jobs.app, name="jobs")
app.add_typer(precalc.app, name="precalc")
app.add_typer(graph.app, name="graph")
app.add_typer(backup.app, name="backup")
app.command("restore")(restore.command)
app.add_typer(integrity.app, name="integrity")
app.command("vacuum")(vacuum.command)
app.command("reindex")(reindex.command)
app.command("maintenance")(maintenance.command)
app.add_typer(doctor.app, name="doctor")
app.add_typer(schedule.app, name="schedule")
app.command("metrics")(metrics.command)
app.command("history")(history.command)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")


@app.callback()
def options(
    ctx: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Where the embedded database and rejects live (REDCLUST_HOME).", show_default=False
        ),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", help="The YAML configuration file (REDCLUST_CONFIG).", show_default=False),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(help="A file of NAME=value lines (REDCLUST_ENV_FILE).", show_default=False),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="An external Postgres; without it DATABASE_URL, the configuration, PG* variables, "
            "else the embedded one. Keep the password in ~/.pgpass.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing when all is well (REDCLUST_QUIET).")
    ] = False,
    verbose: Annotated[
        int, typer.Option("-v", count=True, help="-vv shows where an error happened.", show_default=False)
    ] = 0,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"redclust {__version__}")
        raise typer.Exit
    ctx.obj = Runtime(
        home=home,
        config=config_file,
        env_file=env_file,
        database_url=database_url,
        quiet=quiet,
        verb=ctx.invoked_subcommand or "",
    )


def with_verb(verb: str | None) -> typer.Typer:
    """The application with that verb alone, where it is one of them.

    Typer works out the parameters of every command that it is given, which takes longer than most verbs do.
    """
    commands = [one for one in app.registered_commands if one.name == verb]
    groups = [one for one in app.registered_groups if one.name == verb]
    if not (commands or groups):
        return app
    alone = copy.copy(app)
    alone.registered_commands, alone.registered_groups = commands, groups
    return alone
