"""How far the crawl of one subreddit goes: the settings, and what its job says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from pydantic import ValidationError

from redclust.config import CrawlSettings
from redclust.errors import UsageError

#: Options of a job that stand for settings of the same name.
OPTIONS = ("sort", "time", "posts", "comments", "depth", "more_requests", "depth_limit")
#: Posts or comments of one request.
PAGE = 100
#: Comments of one look at a post, and levels of answers that it shows at most.
LOOK, LEVELS = 500, 10
#: Reddit lists no more than these: a listing that came to its end has no gap behind it.
ALL_POSTS = 1000


@dataclass(frozen=True, slots=True)
class Reach:
    """``level`` counts the steps of discovery from a subreddit that somebody asked for."""

    settings: CrawlSettings
    level: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any], settings: CrawlSettings) -> Reach:
        """What a job's options come to; keys that mean nothing here are passed over.

        Raises:
            UsageError: an option has a value that the setting of its name may not have.
        """
        named = {key: options[key] for key in OPTIONS if key in options}
        level = options.get("level", 0)
        try:
            changed = CrawlSettings.model_validate({**settings.model_dump(), **named})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if not isinstance(level, int) or level < 0:
            raise UsageError(f"level: {level!r} is not a number of steps")
        return cls(changed, level)

    @property
    def sorts(self) -> tuple[str, ...]:
        """The listings, ``new`` first: what is known tells it where to stop."""
        told = self.settings.sort.split(",")
        return tuple(sorted(told, key=lambda sort: sort != "new"))

    @property
    def discovers(self) -> bool:
        return self.level < self.settings.depth_limit and self.settings.discover_subreddits > 0

    @property
    def of_comments(self) -> str:
        """What tells two ways to look at a post's comments apart."""
        told = self.settings
        return f"{told.comments} comments, depth {told.depth}, {told.more_requests} more"

    def requests(self) -> int:
        """What a first crawl costs at most."""
        told = self.settings
        listings = len(self.sorts) * ceil(told.posts / PAGE)
        # A post in several listings counts once; how many are, nobody knows before.
        posts = len(self.sorts) * told.posts if told.comments else 0
        authors = told.discover_authors if self.discovers else 0
        return 1 + listings + posts * (1 + told.more_requests) + authors
