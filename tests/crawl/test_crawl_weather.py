"""Reddit's bad days: each alone, and all at random; the right verdict, no traceback, no endless loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from crawl_worlds import areas, one, settings_for, stored

from harness import SOAK, rounds
from redclust.db.session import Database
from redclust.ops.crawl.run import Limits, RunReport, run
from redclust.queue import enqueue
from redclust.reddit.failures import Blocked, CredentialsRefused
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import World
from redclust.report import Silent

#: So many requests for three subreddits are an endless loop; undisturbed it is some thirty.
TOO_MANY = 400


@dataclass(frozen=True)
class Day:
    """A rule of weather; what it does to one subreddit, and whether every row is there all the same."""

    rule: str
    verdict: str = "ok"
    whole: bool = True


#: What passes: a try more, or a token more, and everything is there.
PASSING = [
    Day(f"{kind} requests=3-3")
    for kind in ("401", "401-bare", "expired", "login", "html", "timeout", "drop", "half", "418")
] + [
    Day(f"{status} requests=3-4")
    for status in ("408", "500", "502", "503", "504", "520", "522", "429", "429 retry-after=1")
]
#: What only changes how an answer looks, or what it says.
ODD = [
    Day("float-headers"),
    Day("no-headers"),
    Day("odd-headers"),
    Day("slow delay=0.05"),
    Day("null-author"),
    Day("broken-item on=comments share=0.5", whole=False),
    Day("broken-item on=listing requests=1-1", whole=False),
    Day("empty on=listing", whole=False),
    Day("empty on=comments requests=2-3", whole=False),
    Day("busy-more on=more"),
    Day("delete on=listing requests=1-2"),
    Day("remove on=comments requests=1-2"),
    Day("vanish on=listing requests=1-1", whole=False),
    Day("edit on=listing"),
    Day("vote on=comments"),
]
#: What is so, and stays so.
FACTS = [
    Day("private", "private", whole=False),
    Day("quarantined", "quarantined", whole=False),
    Day("banned", "banned", whole=False),
    Day("missing", "missing", whole=False),
    Day("451", "unavailable for legal reasons", whole=False),
]
#: In the ordinary suite one of each sort; every one under `make soak`.
QUICK = {
    "401-bare requests=3-3",
    "half requests=3-3",
    "429 retry-after=1 requests=3-4",
    "null-author",
    "odd-headers",
    "broken-item on=comments share=0.5",
    "empty on=listing",
    "banned",
}
DAYS = [
    pytest.param(day, id=day.rule, marks=pytest.mark.soak if SOAK else ())
    for day in (*PASSING, *ODD, *FACTS)
    if SOAK or day.rule in QUICK
]


def drain(database: Database, rehearsal: Rehearsal, names: list[str]) -> RunReport:
    with database.connect(autocommit=True) as connection:
        enqueue(connection, names)
    settings = settings_for(rehearsal, database, depth_limit=0)
    # The limit of time stands for an endless loop; no undisturbed crawl comes near it.
    return run(database, settings, Limits(until_empty=True, for_s=150), Silent())


def verdicts(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT subreddit_name, COALESCE(verdict, status) FROM crawl_jobs"
        ).fetchall()
    return {str(name): str(verdict) for name, verdict in rows}


def of_these(rehearsal: Rehearsal, names: list[str]) -> set[str]:
    site = rehearsal.site
    return {site.post_names[i] for name in names for i in site.posts_in[site.place_at[name.lower()]]}


@pytest.mark.parametrize("day", DAYS)
def test_each_weather_alone_ends_with_the_right_verdict(
    database: Database, rehearsal: Rehearsal, world: World, day: Day
) -> None:
    names = [place.name for place in world.subreddits[:3]]
    hit = names[1]
    rehearsal.weather.add(f"{day.rule} sub={hit}" if day.verdict != "ok" else day.rule)
    report = drain(database, rehearsal, names)
    assert report.stopped == "empty"
    assert verdicts(database) == {name: day.verdict if name == hit else "ok" for name in names}
    assert len(rehearsal.requests()) < TOO_MANY
    if day.whole:
        assert stored(database)[0] == of_these(rehearsal, names)
    if day.rule.startswith("broken-item"):
        assert report.broken > 0
        assert one(database, "SELECT count(*) FROM crawl_rejects") > 0


@pytest.mark.parametrize(
    ("rule", "error"),
    [("invalid-grant", CredentialsRefused), ("401", CredentialsRefused), ("blocked", Blocked)],
)
def test_what_stops_everyone_ends_the_worker_and_loses_no_job(
    database: Database, rehearsal: Rehearsal, world: World, rule: str, error: type[Exception]
) -> None:
    names = [place.name for place in world.subreddits[:2]]
    rehearsal.weather.add(rule)
    with pytest.raises(error):
        drain(database, rehearsal, names)
    assert verdicts(database) == dict.fromkeys(names, "pending")
    rehearsal.weather.clear()
    assert drain(database, rehearsal, names).jobs == {"ok": 2}


@pytest.mark.parametrize("seed", rounds(1, 10))
def test_all_weathers_at_random(
    database: Database, make_rehearsal: Callable[..., Rehearsal], world: World, seed: int
) -> None:
    rehearsal = make_rehearsal()
    names = [place.name for place in world.subreddits[: 8 if SOAK else 5]]
    facts = dict(zip(names, ("private", "banned", "missing"), strict=False))
    rehearsal.weather.add(*(f"{kind} sub={name}" for name, kind in facts.items()))
    passing = ("500", "503", "520", "html", "drop", "half", "429 retry-after=1", "expired", "401-bare")
    rehearsal.weather.add(*(f"{kind} share=0.02 seed={seed * 100 + i}" for i, kind in enumerate(passing)))
    odd = (
        "null-author",
        "broken-item",
        "float-headers",
        "no-headers",
        "odd-headers",
        "edit",
        "vote",
        "delete",
    )
    rehearsal.weather.add(*(f"{kind} share=0.1 seed={seed * 100 + 50 + i}" for i, kind in enumerate(odd)))
    report = drain(database, rehearsal, names)
    assert report.stopped == "empty"
    assert verdicts(database) == {name: facts.get(name, "ok") for name in names}
    assert sum(areas(rehearsal.requests()).values()) < TOO_MANY * 3
    assert one(database, "SELECT count(*) FROM crawl_jobs WHERE status = 'crawling'") == 0
