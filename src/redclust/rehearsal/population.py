"""Who there is in a generated Reddit: its subreddits and its accounts, and how they are drawn.

Only ``random.Random.random()`` is drawn from, the one stream that Python promises to keep, and only
``+ - * /`` on floats: ``pow`` and ``log`` differ in the last bit between C libraries, ``sum`` between
Python versions, and the order of a set between processes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from redclust.rehearsal.themes import BRANCHES, FAMILY, GIVEN, HUBS, SUFFIXES, THEMES

NAME_LENGTH_MAX = 21
COMMUNITIES_MAX = len(THEMES) * len(BRANCHES)

#: Accounts that are no person; the last one's name does not say so, only its reach does.
BOTS: tuple[str, ...] = ("AutoModerator", "metric_units_bot", "Tireless_Wanderer")

_FIRST_SUBREDDIT_ID = int("9x4k2", 36)
_FIRST_ACCOUNT_ID = int("kq3x0a1", 36)

#: The next number in [0, 1) of the world's one stream.
Draw = Callable[[], float]


class Subreddit(NamedTuple):
    id: int
    name: str
    community: int  # -1: a hub, where everybody posts
    subscribers: int


class Account(NamedTuple):
    id: int
    name: str
    home: int  # the community it lives in; -1: a bot


def community_names(communities: int) -> tuple[str, ...]:
    return tuple(
        f"{BRANCHES[c // len(THEMES)]} {THEMES[c % len(THEMES)].name}".lstrip() for c in range(communities)
    )


def pick(draw: Draw, cumulative: Sequence[float]) -> int:
    """An index, by weights given as their running sum."""
    return bisect_right(cumulative, draw() * cumulative[-1], 0, len(cumulative) - 1)


def shuffled(draw: Draw, count: int) -> list[int]:
    """0..count-1 in random order; ``Random.shuffle`` promises no stream, sorting by keys does."""
    keys = [draw() for _ in range(count)]
    return sorted(range(count), key=keys.__getitem__)


def zipf(count: int, offset: float) -> list[float]:
    """The running sum of 1 / (rank + offset)."""
    return list(accumulate(1.0 / (rank + offset) for rank in range(count)))


def make_subreddits(draw: Draw, count: int, communities: int) -> tuple[Subreddit, ...]:
    """Communities of unequal size, each in order of popularity; the hubs come last."""
    hubs = min(len(HUBS), max(1, count // 40))  # a share low enough to leave every community its four
    sizes = [4] * communities
    weights = zipf(communities, 4.0)
    for _ in range(count - hubs - 4 * communities):
        sizes[pick(draw, weights)] += 1
    out: list[Subreddit] = []
    taken = {name.lower() for name in HUBS}
    identity = _FIRST_SUBREDDIT_ID
    for community, size in enumerate(sizes):
        names = _subreddit_names(draw, community, size, taken)
        for rank, name in enumerate(names):
            identity += 1 + int(draw() * 900)
            subscribers = 120 + 900_000 // ((rank + 2) * (community + 4))
            out.append(Subreddit(identity, name, community, subscribers))
    for rank, name in enumerate(HUBS[:hubs]):
        identity += 1 + int(draw() * 900)
        out.append(Subreddit(identity, name, -1, 20_000_000 // (rank + 2)))
    return tuple(out)


def _subreddit_names(draw: Draw, community: int, count: int, taken: set[str]) -> list[str]:
    """``count`` free names of one community: stem and suffix, then numbered ones."""
    theme, branch = THEMES[community % len(THEMES)], BRANCHES[community // len(THEMES)]
    names: list[str] = []
    stems = shuffled(draw, len(theme.stems))
    suffixes = shuffled(draw, len(SUFFIXES))
    turn = 0
    while len(names) < count:
        # Every stem meets every suffix once a lap: the suffix moves on by one more each time around.
        lap, at = divmod(turn, len(stems))
        suffix = SUFFIXES[suffixes[(at + lap) % len(suffixes)]]
        number = "" if lap < len(suffixes) else str(lap // len(suffixes) + 1)
        name = f"{branch}{theme.stems[stems[at]]}{suffix}{number}"
        turn += 1
        if len(name) <= NAME_LENGTH_MAX and name.lower() not in taken:
            taken.add(name.lower())
            names.append(name)
    return names


def make_accounts(
    draw: Draw, users: int, places: Sequence[Subreddit], communities: int
) -> tuple[Account, ...]:
    """People, busiest first, then the bots; homes are drawn by the communities' sizes."""
    sizes = [0] * communities
    for place in places:
        if place.community >= 0:
            sizes[place.community] += 1
    weights = list(accumulate(float(size) for size in sizes))
    out: list[Account] = []
    taken = {name.lower() for name in BOTS}
    identity = _FIRST_ACCOUNT_ID
    while len(out) < users + len(BOTS):
        identity += 1 + int(draw() * 5_000)
        if len(out) >= users:
            out.append(Account(identity, BOTS[len(out) - users], -1))
            continue
        given, family = GIVEN[int(draw() * len(GIVEN))], FAMILY[int(draw() * len(FAMILY))]
        number = int(draw() * max(10_000, 10 * users))
        name = f"{given}{('-', '_', '')[number % 3]}{family}{number}"[:20]
        if name.lower() not in taken:
            taken.add(name.lower())
            out.append(Account(identity, name, pick(draw, weights)))
    return tuple(out)
