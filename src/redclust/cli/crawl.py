"""``redclust crawl``: subreddits through Reddit's API into the tables."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust.cli import refresh
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
    was.
    A subreddit that is private, banned or missing is exit 3; Reddit refusing or failing is exit 15.
    """
    if ctx.invoked_subcommand is not None:
        return
    from redclust.ops import crawl

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings
    options = {"sort": sort, "time": time, "posts": posts, "comments": comments, "depth": depth}
    options |= {"more_requests": more, "depth_limit": depth_limit}
    request = crawl.parse(sub, seed=seed, settings=settings.crawl, **options)
    with runtime.database("crawl") as database:
        report = crawl.crawl_named(database, request, settings, runtime.progress)
    runtime.finish(report, fmt)
