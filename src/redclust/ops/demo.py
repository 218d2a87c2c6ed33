"""``demo``: the first map from nothing, on data whose communities are known."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from redclust.config import DatabaseSettings, Settings
from redclust.db import embedded, session
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.errors import Locked, RedclustError, Refused
from redclust.graph.agreement import adjusted_mutual_information, adjusted_rand
from redclust.ops import import_, precalc
from redclust.ops.graph.map import draw_map
from redclust.rehearsal.world import World, write_dump
from redclust.report import Progress, Report
from redclust.sql import query

#: Only a directory that holds this file is ever emptied.
_MARKER = ".redclust-demo"


@dataclass(frozen=True, slots=True)
class FoundCommunity:
    """A community of the map beside the planted one that most of its subreddits come from."""

    label: str
    subreddits: int
    planted: str
    share_ratio: float


@dataclass(frozen=True, slots=True)
class DemoReport(Report):
    """The map and how well it found what was planted (hubs, which belong nowhere, are not scored)."""

    verb: ClassVar[str] = "demo"
    home: str
    picture: str
    subreddits: int
    users: int
    comments: int
    posts: int
    planted_communities: int
    communities: tuple[FoundCommunity, ...]
    adjusted_mutual_information: float
    adjusted_rand_index: float
    duration_s: float


def run(output: Path, settings: Settings, progress: Progress) -> DemoReport:
    """See :func:`_run`; one demo works on a directory at a time.

    Raises:
        Locked: another demo works on ``output``, or a command uses its database.
        Refused: ``output`` holds something that is not a demo's.
    """
    if output.exists() and not (output / _MARKER).exists() and (not output.is_dir() or any(output.iterdir())):
        raise Refused(
            f"{output} is there already and is not a demo's directory",
            hint="redclust demo --output DIR with a new directory",
        )
    output.mkdir(parents=True, exist_ok=True)
    with (output / _MARKER).open("a") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"another demo works on {output}", hint="wait until it ends") from None
        return _run(output, settings, progress)


def _run(output: Path, settings: Settings, progress: Progress) -> DemoReport:
    """Generate a world, import its dump, compute its map, and compare with what was planted.

    ``output`` receives ``home`` (the database), the two dumps and ``map.svg``; an earlier demo there is
    replaced.

    Raises:
        RedclustError: a step did not come to a good end.
    """
    started = time.monotonic()
    plain = DatabaseSettings(bin_dir=settings.database.bin_dir)
    _make_room(output, plain)
    home = output / "home"
    with progress.task("generating a month of an invented Reddit"):
        world = World.generate()
        dumps = [output / "RS_demo.zst", output / "RC_demo.zst"]
        write_dump(dumps[0], world.posts())
        write_dump(dumps[1], world.comments())
    with session.embedded_database(home, plain, "demo") as database:
        progress.say(f"database: {session.describe(database.target)}")
        imported = import_.import_files(
            database,
            dumps,
            filters=Filters(),
            batch_rows=settings.imports.batch_rows,
            rejects_dir=home / "rejects",
            progress=progress,
        )
        computed = precalc.run(database, settings.precalc, progress)
        picture = output / "map.svg"
        drawn = draw_map(database, picture, progress)
        for step, report in (("import", imported), ("precalc", computed), ("graph map", drawn)):
            if not report.ok:
                raise RedclustError(f"the demo's {step} did not come to a good end: {report}")
        found = _found(database)
    rows = {one.kind: one.rows_read for one in imported.files}
    # A planted subreddit that the map lost counts against it; hubs were planted nowhere.
    truth = {name: community for name, community in world.planted.items() if community >= 0}
    names = sorted(truth)
    planted = np.array([truth[n] for n in names], np.int64)
    detected = np.array([found.get(n, (-1, ""))[0] for n in names], np.int64)
    return DemoReport(
        home=str(home),
        picture=str(picture),
        subreddits=len(found),
        users=len(world.accounts),
        comments=rows.get("comments", 0),
        posts=rows.get("submissions", 0),
        planted_communities=len(world.community_names),
        communities=_beside(found, truth, world.community_names),
        adjusted_mutual_information=adjusted_mutual_information(planted, detected),
        adjusted_rand_index=adjusted_rand(planted, detected),
        duration_s=time.monotonic() - started,
    )


def _make_room(output: Path, settings: DatabaseSettings) -> None:
    """Remove what an earlier demo left, its server first."""
    home = output / "home"
    if home.exists():
        if (home / "postgres").exists():
            own = embedded.locate(home, settings)
            try:
                with own.alone(wait=False):
                    own.stop()
                    shutil.rmtree(own.layout.server)
            except BlockingIOError:
                raise Locked(
                    f"a command uses the earlier demo in {output}", hint="wait until it ends"
                ) from None
        shutil.rmtree(home)


def _found(database: Database) -> dict[str, tuple[int, str]]:
    """Community id (-1 for none) and label of every subreddit of the map, by name."""
    with database.connect() as connection:
        return {name: (i, label) for name, i, label in connection.execute(query("graph", "membership"))}


def _beside(
    found: dict[str, tuple[int, str]], truth: dict[str, int], planted_names: tuple[str, ...]
) -> tuple[FoundCommunity, ...]:
    members: dict[tuple[int, str], list[str]] = {}
    for name, community in found.items():
        if community[0] < 0:
            continue
        members.setdefault(community, []).append(name)
    rows: list[FoundCommunity] = []
    for (_, label), names in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        counted = Counter(truth[n] for n in names if n in truth)
        community, count = counted.most_common(1)[0] if counted else (-1, 0)
        planted = planted_names[community] if community >= 0 else "hubs only"
        rows.append(FoundCommunity(label, len(names), planted, count / max(1, sum(counted.values()))))
    return tuple(rows)
