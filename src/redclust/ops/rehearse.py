"""``rehearse``: serve a Reddit to rehearse against, until a signal ends it."""

from __future__ import annotations

import asyncio
import errno
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from redclust.config import RedditSettings
from redclust.errors import UsageError
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET, Clients
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import Caps, Site
from redclust.rehearsal.weather import Weather
from redclust.rehearsal.world import World
from redclust.report import Progress, Report

_USER_AGENT = "linux:redclust-rehearsal:1 (by /u/rehearsal_user)"


@dataclass(frozen=True, slots=True)
class WorldSize:
    """What kind of world to generate; see :meth:`World.generate`."""

    seed: int = 7
    subreddits: int = 300
    users: int = 4_000
    communities: int = 12
    posts: int = 8_000
    comments: int = 40_000

    def generate(self) -> World:
        """Raises: UsageError: there is no such world."""
        try:
            return World.generate(
                self.seed,
                subreddits=self.subreddits,
                users=self.users,
                communities=self.communities,
                posts=self.posts,
                comments=self.comments,
            )
        except ValueError as error:
            raise UsageError(f"no such world: {error}") from None


@dataclass(frozen=True, slots=True)
class RehearsalReport(Report):
    """What is served from now on, and the environment that points redclust at it."""

    verb: ClassVar[str] = "rehearse"
    url: str
    environment: Mapping[str, str]
    seed: int
    subreddits: int
    users: int
    posts: int
    comments: int
    communities: tuple[str, ...]
    #: A subreddit of each community, and a hub, to begin a crawl with.
    examples: tuple[str, ...]
    budget_requests: int
    budget_window_s: float
    weather: tuple[str, ...]


def environment(url: str) -> dict[str, str]:
    """The names that make redclust ask ``url`` instead of Reddit."""
    return {
        "REDCLUST_REDDIT__OAUTH_URL": url,
        "REDCLUST_REDDIT__REDDIT_URL": url,
        "REDDIT_CLIENT_ID": CLIENT_ID,
        "REDDIT_CLIENT_SECRET": CLIENT_SECRET,
        "REDDIT_USER_AGENT": _USER_AGENT,
    }


def reddit_settings(url: str) -> RedditSettings:
    """The same for this process."""
    return RedditSettings(
        client_id=CLIENT_ID,
        client_secret=SecretStr(CLIENT_SECRET),
        user_agent=_USER_AGENT,
        oauth_url=url,
        reddit_url=url,
    )


def run(
    size: WorldSize,
    *,
    port: int,
    caps: Caps,
    budget: Budget,
    token_life_s: float,
    weather: Iterable[str],
    log: Path | None,
    ready: Callable[[RehearsalReport], None],
    progress: Progress,
) -> None:
    """Generate the world, serve it, tell ``ready`` once it answers, and end well on SIGTERM.

    Raises:
        UsageError: there is no such world or weather, the port is taken, or ``log`` cannot be written.
    """
    rules = tuple(rule for line in weather if (rule := line.partition("#")[0].strip()))
    sky = Weather(rules)
    with progress.task("generating a month of an invented Reddit"):
        site = Site(size.generate(), caps=caps)
    rehearsal = Rehearsal(site, clients=Clients(life_s=token_life_s), budget=budget, weather=sky, log=log)
    started_s = time.monotonic()

    async def serve() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        async with rehearsal.serving(port):
            ready(_report(rehearsal, rules))
            await ended.wait()

    try:
        asyncio.run(serve())
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        hint = "--port 0 takes a free one"
        raise UsageError(f"port {port} cannot be had: {error.strerror}", hint=hint) from None
    counts, passed_s = rehearsal.ledger.counts, time.monotonic() - started_s
    told = ", ".join(f"{n} of {client or 'nobody known'}" for client, n in counts.most_common())
    progress.say(f"{rehearsal.ledger.total} requests in {passed_s:.0f} s: {told or 'none'}")


def _report(rehearsal: Rehearsal, rules: tuple[str, ...]) -> RehearsalReport:
    site, world = rehearsal.site, rehearsal.site.world
    first: dict[int, str] = {}
    for place in world.subreddits:
        first.setdefault(place.community, place.name)
    return RehearsalReport(
        url=rehearsal.url,
        environment=environment(rehearsal.url),
        seed=world.seed,
        subreddits=len(site.places),
        users=len(site.accounts),
        posts=len(site.posts),
        comments=len(site.comments),
        communities=world.community_names,
        examples=tuple(first.values()),
        budget_requests=rehearsal.budget.requests,
        budget_window_s=rehearsal.budget.window_s,
        weather=rules,
    )
