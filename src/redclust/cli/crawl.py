"""``redclust crawl``: subreddits through Reddit's API into the tables."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli import refresh
from redclust.cli.options import LockWait, length_of_time
from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer()
app.command("refresh")(refresh.command)

Subreddits = Annotated[
    list[str] | None,
    typer.Option("--sub", metavar="NAME", help="A subreddit: golang, r/golang or its address."),
]
Seed = Annotated[
    bool, typer.Option("--seed", help="AskReddit, programming, golang, webdev and dataisbeautiful.")
]
Sort = Annotated[str | None, typer.Option(help="Listings: new,hot,top (crawl.sort).", show_default=False)]
Since = Annotated[
    str | None, typer.Option("--time", help="Of top: hour day week month year all.", show_default=False)
]
Posts = Annotated[int | None, typer.Option(help="Posts of each listing, up to 1000.", show_default=False)]
Comments = Annotated[int | None, typer.Option(help="Comments of each post; 0: none.", show_default=False)]
Depth = Annotated[int | None, typer.Option(help="Levels of answers.", show_default=False)]
More = Annotated[
    int | None,
    typer.Option("--more", help="Further requests a post for comments left out.", show_default=False),
]
DepthLimit = Annotated[
    int | None, typer.Option(help="Steps to subreddits that are discovered; 0: none.", show_default=False)
]


@app.callback(invoke_without_command=True)
def command(
    ctx: typer.Context,
    sub: Subreddits = None,
    seed: Seed = False,
    sort: Sort = None,
    time: Since = None,
    posts: Posts = None,
    comments: Comments = None,
    depth: Depth = None,
    more: More = None,
    depth_limit: DepthLimit = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Crawl subreddits now: what they are, their posts and comments, and where their authors are active too.

    Other subreddits that are found wait in the queue for crawl run. An interrupted crawl goes on where it
    was. A subreddit that is private, banned or missing is exit 3; Reddit refusing or failing is exit 15.
    """
    if ctx.invoked_subcommand is not None:
        return
    from redclust.ops import crawl
    from redclust.ops.crawl.named import crawl_named

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings
    options = _options(sort, time, posts, comments, depth, more, depth_limit)
    request = crawl.parse(sub, seed=seed, settings=settings.crawl, **options)
    with runtime.database("crawl") as database:
        runtime.say(crawl.plan(database, request, settings).in_words())
        report = crawl_named(database, request, settings, runtime.progress)
    runtime.finish(report, fmt)


@app.command()
def plan(
    ctx: typer.Context,
    sub: Subreddits = None,
    seed: Seed = False,
    sort: Sort = None,
    time: Since = None,
    posts: Posts = None,
    comments: Comments = None,
    depth: Depth = None,
    more: More = None,
    depth_limit: DepthLimit = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """What such a crawl would cost, in requests and minutes; sends nothing and enqueues nothing."""
    from redclust.ops import crawl

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings
    options = _options(sort, time, posts, comments, depth, more, depth_limit)
    request = crawl.parse(sub, seed=seed, settings=settings.crawl, **options)
    with runtime.database("crawl plan") as database:
        report = crawl.plan(database, request, settings)
    runtime.finish(report, fmt)


@app.command()
def run(
    ctx: typer.Context,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End when no job waits, not even for a retry.")
    ] = False,
    max_jobs: Annotated[
        int | None, typer.Option(min=1, help="End after so many jobs.", show_default=False)
    ] = None,
    for_s: Annotated[
        float | None,
        typer.Option(
            "--for",
            parser=length_of_time,
            metavar="TIME",
            help="End after so long, such as 2h.",
            show_default=False,
        ),
    ] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Work off the queue, with any number of others, until SIGTERM; it ends after the page in hand.

    Jobs by priority; stuck ones are taken over; crawls older than crawl.stale_after are done again. A second
    SIGTERM ends it at once: what is not committed then is fetched again by another worker.
    """
    from redclust.ops.crawl.run import Limits, run

    runtime: Runtime = ctx.obj
    limits = Limits(until_empty, max_jobs, for_s)
    with runtime.database("crawl run") as database:
        report = run(database, runtime.loaded.settings, limits, runtime.progress)
    runtime.finish(report, fmt)


@app.command()
def status(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """The request budget, the circuit breaker, the workers and the queue; exit 3 while Reddit rests."""
    from redclust.ops import crawl

    runtime: Runtime = ctx.obj
    with runtime.database("crawl status") as database:
        report = crawl.status(database)
    runtime.finish(report, fmt)


@app.command("reset-breaker")
def reset_breaker(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """Ask Reddit again at once after it failed; the breaker opens again if it still fails."""
    from redclust.ops import crawl

    runtime: Runtime = ctx.obj
    with runtime.database("crawl reset-breaker") as database:
        report = crawl.reset_breaker(database)
    runtime.finish(report, fmt)


@app.command()
def forget(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(metavar="u/NAME", help="The account.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The account's name, where nobody can be asked.", show_default=False)
    ] = None,
    lock_wait: LockWait = 0,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Erase a person: what the account wrote, its name, its place in the map; for good.

    Imports and crawls bring nothing of it back. Says which backups still hold the name, and until when.
    """
    from redclust.cli.confirm import severe
    from redclust.ops import crawl
    from redclust.reddit.names import user_name

    runtime: Runtime = ctx.obj
    name = user_name(user)
    with runtime.database("crawl forget") as database:
        if not dry_run:
            severe(f"Everything that u/{name} wrote will be gone for good", name, confirm)
        report = crawl.forget(
            database, name, runtime.loaded, runtime.progress, dry_run=dry_run, lock_wait_s=lock_wait
        )
    runtime.finish(report, fmt)


def _options(
    sort: str | None,
    time: str | None,
    posts: int | None,
    comments: int | None,
    depth: int | None,
    more: int | None,
    depth_limit: int | None,
) -> dict[str, str | int | None]:
    """By the names of the settings that they stand for."""
    told: dict[str, str | int | None] = {"sort": sort, "time": time, "posts": posts, "comments": comments}
    return told | {"depth": depth, "more_requests": more, "depth_limit": depth_limit}
