"""``redclust backup``: backups that were read back before they count."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from redclust.cli import confirm
from redclust.cli.options import LockWait, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="Backups: make, list, verify, tidy, take elsewhere.", no_args_is_help=True)


class DumpFormat(StrEnum):
    """What pg_dump writes."""

    CUSTOM = "custom"
    PLAIN = "plain"


class CheckLevel(StrEnum):
    """How far a backup is checked."""

    HASH = "hash"
    READ = "read"
    RESTORE = "restore"


DumpFormatOption = Annotated[
    DumpFormat, typer.Option(help="custom: an archive for restore; plain: SQL text for psql.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, max=64, help="Tables dumped at a time.", show_default=False),
]
Tidy = Annotated[bool, typer.Option(help="Tidy afterwards.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A backup's name, or latest.")]


@app.command()
def now(
    ctx: typer.Context,
    dump_format: DumpFormatOption = DumpFormat.CUSTOM,
    jobs: Jobs = None,
    tidy: Tidy = True,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Back the database up, read the backup back, and tidy.

    Rows are counted in the dump's own snapshot. What cannot be read back to its end is no backup and is
    removed; a killed run leaves a .partial that tidy removes after a day.
    """
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    options = backup.Options(dump_format.value, jobs, tidy, lock_wait)
    runtime.finish(backup.make(runtime.loaded, options, runtime.progress), fmt)


@app.command()
def every(
    ctx: typer.Context,
    interval: Annotated[
        float | None,
        typer.Argument(
            parser=length_of_time,
            metavar="TIME",
            help="Such as 24h; else BACKUP_INTERVAL.",
            show_default=False,
        ),
    ] = None,
    dump_format: DumpFormatOption = DumpFormat.CUSTOM,
    jobs: Jobs = None,
    tidy: Tidy = True,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Back up now and then again and again, until SIGTERM; a failure is told and does not end it."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    options = backup.Options(dump_format.value, jobs, tidy, lock_wait)
    runtime.finish(backup.every(runtime.loaded, options, runtime.progress, interval_s=interval), fmt)


@app.command()
def ls(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """List backups and whatever else lies there, newest first; works with the database down."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.ls(runtime.loaded), fmt)


@app.command()
def status(
    ctx: typer.Context,
    max_age: Annotated[
        float | None,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="Age from which it is not well (exit 3), such as 26h; else backup.max_age.",
            show_default=False,
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Say whether the newest verified backup is young enough, and what failed since; for a monitor."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.status(runtime.loaded, max_age_s=max_age), fmt)


@app.command()
def verify(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The newest if left out.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every backup of this database.")] = False,
    level: Annotated[
        CheckLevel,
        typer.Option(help="hash: every byte; read: pg_restore reads every row too; restore: a drill."),
    ] = CheckLevel.READ,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Check finished backups again; one found damaged is used no more (exit 16)."""
    from redclust.ops import backup, restore

    runtime: Runtime = ctx.obj
    if level is CheckLevel.RESTORE:
        report = restore.verify(runtime.loaded, runtime.progress, name=name, every=every)
    else:
        depth = backup.Level(level.value)
        report = backup.check(runtime.loaded, runtime.progress, name=name, every=every, level=depth)
    runtime.finish(report, fmt)


@app.command()
def tidy(
    ctx: typer.Context,
    keep: Annotated[
        int | None,
        typer.Option(
            min=1, help="Verified backups to keep, the newest; else backup.keep.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go on where the brake holds.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Remove backups beyond those to keep, and unfinished ones older than a day.

    Only this database's verified backups count and go; the newest of them and pinned ones never do. It asks
    first when more than half would go, or when the newest has less than half the rows of the one before.
    """
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    report = backup.tidy(
        runtime.loaded, keep=keep, dry_run=dry_run, approve=lambda what: confirm.moderate(what, yes)
    )
    runtime.finish(report, fmt)


@app.command()
def pin(
    ctx: typer.Context,
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders later.")] = "",
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Keep a backup until it is unpinned, whatever tidy's rules say."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.pin(runtime.loaded, name, reason=reason), fmt)


@app.command()
def unpin(ctx: typer.Context, name: NameArgument, fmt: FormatOption = Format.TEXT) -> None:
    """Let tidy remove a backup again when it is its turn."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.unpin(runtime.loaded, name), fmt)


@app.command()
def download(
    ctx: typer.Context,
    name: NameArgument,
    directory: Annotated[Path, typer.Argument(help="Where the copy goes, as DIRECTORY/NAME.")],
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Copy a backup elsewhere and compare every byte of the copy with its hash."""
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.download(runtime.loaded, name, directory, runtime.progress), fmt)


@app.command()
def snapshot(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.tar", help="The tar file to make.")],
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Put every whole backup into one tar file, checked on the way.

    tar -xf FILE.tar -C DIRECTORY unpacks it, and DIRECTORY is a place of backups again.
    """
    from redclust.ops import backup

    runtime: Runtime = ctx.obj
    runtime.finish(backup.snapshot(runtime.loaded, file, runtime.progress), fmt)


@app.command()
def drill(
    ctx: typer.Context,
    backup: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Else the one never drilled, or longest ago.", show_default=False
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=64, help="Tables restored at a time.", show_default=False),
    ] = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Restore a backup to a database that is thrown away, compare it, and say how long it took.

    Looks at every table's rows, each row's entry in every index, keys, sequences, the schema, and at what
    backup.drill_assertions says. What is found is kept beside the backup; the live database stays as it is.
    """
    from redclust.ops import restore

    runtime: Runtime = ctx.obj
    report = restore.drill(runtime.loaded, backup, runtime.progress, jobs=jobs, lock_wait_s=lock_wait)
    runtime.finish(report, fmt)
