"""``demo``: the first map from nothing, of an invented Reddit whose communities are known."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from redclust.config import CrawlSettings, DatabaseSettings, Settings
from redclust.db import embedded, session
from redclust.db.session import Database
from redclust.errors import Locked, RedclustError, Refused
from redclust.graph.agreement import adjusted_mutual_information, adjusted_rand
from redclust.ops import crawl, precalc, rehearse
from redclust.ops.crawl.named import CrawlReport, crawl_named
from redclust.ops.graph.map import draw_map
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.reach import Plan, Reach, reach
from redclust.rehearsal.server import Rehearsal, serve
from redclust.report import Progress, Report, Task
from redclust.sql import query

#: So many subreddits that the map is worth looking at, so few posts that their requests take seconds.
_SIZE = rehearse.WorldSize(seed=11, subreddits=140, users=1_600, posts=320, comments=18_000)
#: Everything there is: one listing has all posts, one look all comments of a post.
_PLAN = Plan(sorts=("new",), posts=1_000)
#: In 600 s: no client is that quick.
_BUDGET_REQUESTS = 10_000_000
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
    requests: int
    crawl_s: float


def run(
    output: Path, settings: Settings, progress: Progress, *, size: rehearse.WorldSize = _SIZE
) -> DemoReport:
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
        return _run(output, settings, progress, size)


def _run(output: Path, settings: Settings, progress: Progress, size: rehearse.WorldSize) -> DemoReport:
    """Serve a world on loopback, crawl it, compute its map, and compare with what was planted.

    ``output`` receives ``home`` (the database) and ``map.svg``; an earlier demo there is replaced.

    Raises:
        RedclustError: a step did not come to a good end, or not all that was served was stored.
    """
    started = time.monotonic()
    plain = DatabaseSettings(bin_dir=settings.database.bin_dir)
    _make_room(output, plain)
    home = output / "home"
    with progress.task("generating a month of an invented Reddit"):
        world = size.generate()
    with session.embedded_database(home, plain, "demo") as database:
        progress.say(f"database: {session.describe(database.target)}")
        with serve(world, budget=Budget(_BUDGET_REQUESTS)) as rehearsal:
            progress.say(f"rehearsal Reddit: {rehearsal.url}")
            crawl_started = time.monotonic()
            crawled = _crawl(database, rehearsal, settings, progress)
            crawl_s = time.monotonic() - crawl_started
        computed = precalc.run(database, settings.precalc, progress)
        picture = output / "map.svg"
        drawn = draw_map(database, picture, progress)
        for step, report in (("crawl", crawled), ("precalc", computed), ("graph map", drawn)):
            if not report.ok:
                raise RedclustError(f"the demo's {step} did not come to a good end: {report}")
        found = _found(database)
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
        comments=sum(one.figures.comments_added for one in crawled.subreddits),
        posts=sum(one.figures.posts_added for one in crawled.subreddits),
        planted_communities=len(world.community_names),
        communities=_beside(found, truth, world.community_names),
        adjusted_mutual_information=adjusted_mutual_information(planted, detected),
        adjusted_rand_index=adjusted_rand(planted, detected),
        duration_s=time.monotonic() - started,
        requests=crawled.requests,
        crawl_s=crawl_s,
    )


def _crawl(database: Database, rehearsal: Rehearsal, settings: Settings, progress: Progress) -> CrawlReport:
    """Crawl every subreddit, as ``crawl --sub`` does; what can be reached is known beforehand."""
    names = [place.name for place in rehearsal.site.places]
    expected = Reach()
    for name in names:
        expected |= reach(rehearsal.site, name, _PLAN)
    plan = CrawlSettings(sort="new", posts=_PLAN.posts, comments=_PLAN.comments, depth_limit=0)
    told = settings.model_copy(update={"reddit": rehearse.reddit_settings(rehearsal.url), "crawl": plan})
    request = crawl.parse(names, seed=False, settings=plan)
    with progress.task("crawling it over HTTP", total=expected.requests, unit="requests") as task:
        report = crawl_named(database, request, told, _OneBar(progress, task))
    for kind, there, stored in (
        ("posts", len(expected.posts), sum(one.figures.posts_added for one in report.subreddits)),
        ("comments", len(expected.comments), sum(one.figures.comments_added for one in report.subreddits)),
    ):
        if stored != there:
            raise RedclustError(f"the rehearsal Reddit shows {there} {kind}, and the crawl stored {stored}")
    return report


class _OneBar:
    """Progress of many crawls as that of one."""

    def __init__(self, progress: Progress, bar: Task) -> None:
        self._progress, self._bar = progress, bar

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        self._bar.note(name)
        yield _Share(self._bar)

    def say(self, text: str) -> None:
        self._progress.say(text)


class _Share:
    """A part of a bar, whose end is that of the whole."""

    def __init__(self, bar: Task) -> None:
        self._bar = bar

    def advance(self, amount: float) -> None:
        self._bar.advance(amount)

    def total(self, total: float) -> None: ...
    def note(self, text: str) -> None: ...


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
