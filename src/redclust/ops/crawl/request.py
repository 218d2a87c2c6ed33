"""What a crawl was asked for, checked before anything is opened or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redclust.config import CrawlSettings
from redclust.errors import UsageError
from redclust.ops.crawl.reach import Reach
from redclust.reddit.names import subreddit_name

#: The operator's first subreddits.
SEED = ("AskReddit", "programming", "golang", "webdev", "dataisbeautiful")
#: Above everything that is discovered or crawled again by itself.
PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Request:
    """Subreddits, each once, and the options that were given: what the job keeps beside the settings."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


def parse(
    subreddits: Sequence[str] | None, *, seed: bool, settings: CrawlSettings, **options: Any
) -> Request:
    """Check names and options; an option that is None was not given.

    Raises:
        UsageError: nothing to crawl, a name that is none, or an option that its setting does not take.
    """
    names = {name.lower(): name for name in map(subreddit_name, subreddits or ())}
    for name in SEED if seed else ():
        names.setdefault(name.lower(), name)
    if not names:
        raise UsageError(
            "name the subreddits to crawl",
            hint="redclust crawl --sub golang, or --seed; redclust crawl run works off the queue",
        )
    given = {key: value for key, value in options.items() if value is not None}
    Reach.of(given, settings)
    return Request(tuple(names.values()), given)
