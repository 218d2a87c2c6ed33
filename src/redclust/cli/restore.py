"""``redclust restore``: a backup into a new database, or in place of the live one; and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redclust.cli.options import LockWait
from redclust.cli.runtime import Format, FormatOption, Runtime
from redclust.errors import UsageError

if TYPE_CHECKING:
    from redclust.ops.restore import Request


def command(
    ctx: typer.Context,
    backup: Annotated[
        str | None,
        typer.Argument(
            metavar="[latest|NAME|PATH]",
            help="The newest verified backup of this database, one by its name, or a path.",
            show_default="latest",
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The new database; else a name with the time.", show_default=False),
    ] = None,
    swap: Annotated[
        bool, typer.Option("--swap", help="Put it in place of the live one, kept aside.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back what the newest --swap kept.")] = False,
    drop_kept: Annotated[bool, typer.Option("--drop-kept", help="Drop what every --swap kept.")] = False,
    terminate: Annotated[bool, typer.Option("--terminate", help="End other people's sessions.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take a dump without a manifest: it is code that runs.")
    ] = False,
    owner: Annotated[
        bool, typer.Option("--owner/--no-owner", help="Owners and grants as they were, or all yours.")
    ] = True,
    precalc: Annotated[bool, typer.Option("--precalc", help="Compute the map afterwards.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=64, help="Tables restored at a time.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look, and say what would be done.")
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The database's name, where nobody can be asked.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Undo without being asked.")] = False,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Restore a backup into a new database, compare every table's rows, and with --swap make it the live one.

    What is live is backed up first, then kept under another name in the same moment as the restored one takes
    its place; --undo exchanges them again. Crawlers are paused meanwhile. A failure before that moment leaves
    everything as it was. An embedded server whose data is gone or unusable gets a new one.
    """
    from redclust.ops.restore import Request

    if sum([undo, drop_kept, backup is not None or swap or into is not None]) > 1:
        raise UsageError(
            "a restore, --undo and --drop-kept exclude each other", hint="redclust restore --help"
        )
    if undo:
        _undo(ctx.obj, fmt, terminate=terminate, yes=yes, dry_run=dry_run, lock_wait_s=lock_wait)
    elif drop_kept:
        _drop_kept(ctx.obj, fmt, terminate=terminate, confirm=confirm, dry_run=dry_run)
    else:
        request = Request(
            backup or "latest", into, swap, terminate, trust, owner, precalc, jobs, lock_wait_s=lock_wait
        )
        _restore(ctx.obj, request, fmt, confirm=confirm, dry_run=dry_run)


def _restore(runtime: Runtime, request: Request, fmt: Format, *, confirm: str | None, dry_run: bool) -> None:
    from redclust.cli.confirm import severe
    from redclust.ops import restore
    from redclust.render.restore import plan_lines

    with restore.prepare(runtime.loaded, request, runtime.progress) as prepared:
        plan = prepared.plan
        if dry_run:
            report = plan
        else:
            for line in plan_lines(plan):
                runtime.say(line)
            if request.swap and plan.ok:
                severe(f"{plan.source} takes the place of {plan.live}", plan.live, confirm)
            report = prepared.run()
    runtime.finish(report, fmt)


def _undo(
    runtime: Runtime, fmt: Format, *, terminate: bool, yes: bool, dry_run: bool, lock_wait_s: float
) -> None:
    from redclust.cli.confirm import moderate
    from redclust.ops import restore

    with runtime.server("restore") as live:
        listed = restore.kept(live)
        if dry_run or not listed.kept:
            report = listed
        else:
            newest = listed.kept[0]
            moderate(f"{listed.database} becomes again what it was until {newest.until:%F %T} UTC", yes)
            report = restore.undo(live, runtime.progress, terminate=terminate, lock_wait_s=lock_wait_s)
    runtime.finish(report, fmt)


def _drop_kept(runtime: Runtime, fmt: Format, *, terminate: bool, confirm: str | None, dry_run: bool) -> None:
    from redclust.cli.confirm import severe
    from redclust.ops import restore

    with runtime.server("restore") as live:
        report = restore.kept(live)
        if report.kept and not dry_run:
            names = ", ".join(one.name for one in report.kept)
            severe(f"{names} will be gone for good", report.database, confirm)
            report = restore.drop_kept(live, terminate=terminate)
    runtime.finish(report, fmt)
