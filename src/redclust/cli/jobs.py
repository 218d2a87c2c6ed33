"""``redclust jobs``: the queue of crawl jobs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from redclust.cli.options import length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="The queue of crawl jobs: look, steer, hold back.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The subreddit: golang, r/golang or its address.")]


class Status(StrEnum):
    """What a job can be."""

    PENDING = "pending"
    CRAWLING = "crawling"
    COMPLETED = "completed"
    FAILED = "failed"


@app.command("list")
def list_(
    ctx: typer.Context,
    sub: Annotated[
        list[str] | None, typer.Option("--sub", metavar="NAME", help="Only this subreddit.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only jobs of this status.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many jobs to list.")] = 20,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Jobs by status, those at work first, then those that wait in their turn; and who is at work."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings.queue
    with runtime.database("jobs list") as database:
        report = jobs.jobs(database, settings, subreddits=sub or (), status=status, limit=limit)
    runtime.finish(report, fmt)


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, help="How many past tries to list.")] = 10,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """All that is known of one job, and how its past tries ended."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs show") as database:
        report = jobs.show(database, runtime.loaded.settings.queue, name, limit=limit)
    runtime.finish(report, fmt)


@app.command()
def why(ctx: typer.Context, name: Name, fmt: FormatOption = Format.TEXT) -> None:
    """Why a job is not running, and when it will: in one sentence."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs why") as database:
        report = jobs.why(database, runtime.loaded.settings, name)
    runtime.finish(report, fmt)


@app.command()
def enqueue(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Subreddits.", show_default=False)
    ] = None,
    seed: Annotated[
        bool, typer.Option("--seed", help="AskReddit, programming, golang, webdev and dataisbeautiful.")
    ] = False,
    priority: Annotated[
        int, typer.Option(help="Higher is earlier: 10 to 100 is high, above 100 urgent.")
    ] = 1,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Let subreddits wait for a worker (crawl run), those crawled before as well."""
    from redclust.ops import jobs
    from redclust.ops.crawl.request import SEED

    runtime: Runtime = ctx.obj
    wanted = [*(names or ()), *(SEED if seed else ())]
    with runtime.database("jobs enqueue") as database:
        report = jobs.enqueue(database, wanted, priority=priority)
    runtime.finish(report, fmt)


@app.command()
def retry(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME…]", help="Subreddits; without one: all that failed.", show_default=False
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Let failed jobs wait again, from their checkpoints, with all their tries before them."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs retry") as database:
        report = jobs.retry(database, names or ())
    runtime.finish(report, fmt)


@app.command()
def clear(
    ctx: typer.Context,
    status: Annotated[
        Status | None,
        typer.Option(help="failed, completed or pending; without it what has ended.", show_default=False),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            parser=length_of_time, metavar="TIME", help="Ended so long ago, such as 30d.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Delete jobs with the history of their tries; what they crawled stays."""
    from redclust.cli.confirm import moderate
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    jobs.check_clear(status, older_than)
    if not dry_run:
        moderate("jobs clear deletes jobs", yes)
    with runtime.database("jobs clear") as database:
        report = jobs.clear(database, status=status, older_than_s=older_than, dry_run=dry_run)
    runtime.finish(report, fmt)


@app.command()
def priority(
    ctx: typer.Context,
    name: Name,
    level: Annotated[int, typer.Argument(metavar="N", help="1 is normal, 10 to 100 high, above 100 urgent.")],
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Change the priority of a job that waits: higher is earlier."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs priority") as database:
        report = jobs.priority(database, name, level)
    runtime.finish(report, fmt)


@app.command("reset-stuck")
def reset_stuck(
    ctx: typer.Context,
    after: Annotated[
        float | None,
        typer.Option(
            parser=length_of_time,
            metavar="TIME",
            help="Without a committed page for so long; 15m (RESET_CRAWLING_AFTER_MIN).",
            show_default=False,
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Take jobs from workers that are silent or hang; every worker does it by itself, this does it now."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs reset-stuck") as database:
        report = jobs.reset_stuck(database, runtime.loaded.settings.queue, after_s=after)
    runtime.finish(report, fmt)


@app.command()
def pause(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="What others are told.")] = "paused by the operator",
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Hold the whole queue back: nothing is claimed, and workers hand back what they hold."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs pause") as database:
        report = jobs.pause(database, reason)
    runtime.finish(report, fmt)


@app.command()
def resume(
    ctx: typer.Context,
    everybody: Annotated[
        bool, typer.Option("--all", help="Lift also what a restore has paused, when that one was killed.")
    ] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Let the queue go on."""
    from redclust.ops import jobs

    runtime: Runtime = ctx.obj
    with runtime.database("jobs resume") as database:
        report = jobs.resume(database, everybody=everybody)
    runtime.finish(report, fmt)
