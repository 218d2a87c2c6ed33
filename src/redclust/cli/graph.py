"""``redclust graph``: looking at the map that precalc made."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from redclust.cli.runtime import Format, FormatOption, Runtime

app = typer.Typer(help="The map: look at it, export it, draw it.", no_args_is_help=True)


class NodeKind(StrEnum):
    SUBREDDIT = "subreddit"
    USER = "user"
    POST = "post"
    COMMENT = "comment"


class By(StrEnum):
    WEIGHT = "weight"
    SHARED = "shared"


class Level(StrEnum):
    CONTINENTS = "continents"
    COUNTRIES = "countries"
    TOWNS = "towns"


class To(StrEnum):
    JSON = "json"
    NDJSON = "ndjson"
    GRAPHML = "graphml"
    GEXF = "gexf"
    CSV = "csv"


@app.command()
def show(ctx: typer.Context, fmt: FormatOption = Format.TEXT) -> None:
    """How large the graph is, when it was computed, and its biggest communities."""
    from redclust.ops.graph import overview

    runtime: Runtime = ctx.obj
    with runtime.database("graph show") as database:
        report = overview.show(database)
    runtime.finish(report, fmt)


@app.command()
def top(
    ctx: typer.Context,
    kind: Annotated[NodeKind, typer.Option("--type", help="Which nodes.")] = NodeKind.SUBREDDIT,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """The biggest subreddits by users, the most active users, or the posts or comments of highest score."""
    from redclust.ops.graph import nodes

    runtime: Runtime = ctx.obj
    with runtime.database("graph top") as database:
        report = nodes.top(database, kind.value, limit=limit)
    runtime.finish(report, fmt)


@app.command()
def node(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="r/NAME, u/NAME, a reddit URL, or an id such as subreddit_12.")],
    by: Annotated[By, typer.Option(help="What orders the neighbours of a subreddit.")] = By.WEIGHT,
    limit: Annotated[int, typer.Option(min=1, help="How many neighbours.")] = 15,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """One subreddit with its neighbours and the users they share, or one user with their subreddits."""
    from redclust.ops.graph import nodes

    runtime: Runtime = ctx.obj
    with runtime.database("graph node") as database:
        report = nodes.node(database, name, limit=limit, by=by.value)
    runtime.finish(report, fmt)


@app.command()
def why(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="r/NAME, or a reddit URL.")],
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Why a subreddit stands where it stands on the map, or why it is not on it (exit 3)."""
    from redclust.ops.graph import why

    runtime: Runtime = ctx.obj
    with runtime.database("graph why") as database:
        report = why.why(database, name)
    runtime.finish(report, fmt)


@app.command()
def communities(
    ctx: typer.Context,
    identity: Annotated[
        int | None, typer.Argument(metavar="ID", min=0, help="List the members of this one.")
    ] = None,
    level: Annotated[Level, typer.Option(help="Which level, one inside the other.")] = Level.CONTINENTS,
    limit: Annotated[int, typer.Option(min=1, help="How many communities, or members.")] = 20,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """The communities by size, or one: its members, what lies in it and what it is linked to."""
    from redclust.ops.graph import communities

    runtime: Runtime = ctx.obj
    with runtime.database("graph communities") as database:
        if identity is None:
            report = communities.communities(database, level=level.value, limit=limit)
        else:
            report = communities.community(database, identity, limit=limit)
    runtime.finish(report, fmt)


@app.command()
def versions(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """The versions of the graph: every precalc that came to its end, the newest first."""
    from redclust.ops.precalc import versions

    runtime: Runtime = ctx.obj
    with runtime.database("graph versions") as database:
        report = versions.listed(database, runtime.loaded.settings.precalc, limit=limit)
    runtime.finish(report, fmt)


@app.command()
def diff(
    ctx: typer.Context,
    a: Annotated[int | None, typer.Argument(min=1, help="The one before the newest, if left out.")] = None,
    b: Annotated[int | None, typer.Argument(min=1, help="The newest, if left out.")] = None,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """What changed from version A to version B: nodes, links, communities."""
    from redclust.ops.precalc import versions

    runtime: Runtime = ctx.obj
    with runtime.database("graph diff") as database:
        report = versions.diff(database, runtime.loaded.settings.precalc, a, b)
    runtime.finish(report, fmt)


@app.command()
def rollback(
    ctx: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help="A version that graph versions lists as kept.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Show an older version of the graph again; it becomes the newest version, so this can be undone too.

    What was deleted or forgotten since stays gone.
    """
    from redclust.ops.precalc import versions

    runtime: Runtime = ctx.obj
    settings = runtime.loaded.settings.precalc
    with runtime.database("graph rollback") as database:
        if dry_run:
            report = versions.diff(database, settings, None, version)
        else:
            report = versions.rollback(database, settings, version, runtime.progress)
    runtime.finish(report, fmt)


@app.command()
def export(
    ctx: typer.Context,
    to: Annotated[To, typer.Option("--to", help="The form; csv makes NAME-nodes.csv and NAME-links.csv.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; stdout if left out.", show_default=False)
    ] = None,
    kind: Annotated[
        NodeKind | None, typer.Option("--type", help="Only nodes of this type.", show_default="all")
    ] = None,
    min_val: Annotated[
        int | None, typer.Option(min=0, help="Only nodes at least as big.", show_default="all")
    ] = None,
    community: Annotated[
        int | None,
        typer.Option(min=0, help="Only what is in this community, of whatever level.", show_default="all"),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Only the biggest of each type, so many.", show_default="all")
    ] = None,
) -> None:
    """Write the graph for other programs: networkx and Gephi read graphml and gexf.

    json is networkx' node-link form: node_link_graph(data, edges="links").

    Links whose ends are not both exported are left out.

    A file is replaced only by a whole one.
    """
    from redclust.ops.graph.export import Selection, export

    runtime: Runtime = ctx.obj
    selection = Selection(kind.value if kind else None, min_val, community, top)
    with runtime.database("graph export") as database:
        report = export(database, to.value, output, sys.stdout.buffer, selection, runtime.progress)
    runtime.finish(report)


@app.command("map")
def draw(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The picture, .svg or .png.")],
    min_users: Annotated[int, typer.Option(min=0, help="Only subreddits with as many users.")] = 0,
    loose: Annotated[bool, typer.Option("--all", help="Also subreddits in no community.")] = False,
    fmt: FormatOption = Format.TEXT,
) -> None:
    """Draw the communities with their subreddits as a picture."""
    from redclust.ops.graph.map import draw_map

    runtime: Runtime = ctx.obj
    with runtime.database("graph map") as database:
        report = draw_map(database, file.absolute(), runtime.progress, min_users=min_users, loose=loose)
    runtime.finish(report, fmt)
