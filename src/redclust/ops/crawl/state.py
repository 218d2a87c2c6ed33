"""How far the crawl of one subreddit has come: the checkpoint that is committed with each page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, cast

import msgspec

Step = Literal["about", "listing", "comments", "again", "authors", "end"]
#: The order of the steps.
STEPS: tuple[Step, ...] = ("about", "listing", "comments", "again", "authors", "end")
#: Names that were found and are kept: what bounds the checkpoint.
_FOUND = 500


@dataclass(frozen=True)
class Figures:
    """What the crawl has done so far; ``unavailable`` counts posts and authors that Reddit does not show,
    ``skipped`` those given up after several failures, ``broken`` things that no row could be made of.
    """

    requests: int = 0
    posts_added: int = 0
    posts_changed: int = 0
    comments_added: int = 0
    comments_changed: int = 0
    deleted: int = 0
    broken: int = 0
    unavailable: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, figures: Mapping[str, Any] | None) -> Self:
        """Those of a past run, which may be of another version."""
        try:
            return replace(msgspec.convert(figures or {}, cls))
        except msgspec.ValidationError:
            return cls()

    def plus(self, **more: int) -> Self:
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


@dataclass(frozen=True)
class Tree:
    """The post in hand, looked at once: what was left out, and how many further requests it may cost.

    ``threads`` are comments, with their levels, whose answers are one look at them away. Ids are base 36
    without prefix.
    """

    post: str
    num_comments: int
    ids: tuple[str, ...]
    threads: tuple[tuple[str, int], ...]
    requests_left: int
    seen: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """The next thing to ask for, and what is to be asked after it. Ids are base 36 without prefix.

    ``posts`` are those whose comments are to be asked for, with Reddit's count of them; ``known`` those that
    have as many as before; ``gone`` comments that were there at the last look and not at this one.
    ``new_reach`` is how far back the listing ``new`` is without a gap, in posts (all: 1000).
    """

    step: Step = "about"
    sort: int = 0
    after: str | None = None
    listed: int = 0
    new_reach: int = 0
    posts: tuple[tuple[str, int], ...] = ()
    known: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    tree: Tree | None = None
    authors: tuple[int, ...] = ()
    found: dict[str, int] = field(default_factory=dict[str, int])
    figures: Figures = Figures()

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any] | None) -> Self:
        """The state of a checkpoint; the beginning where there is none or one of another version."""
        try:
            # A default that is not told is not set on what is converted.
            return replace(msgspec.convert(checkpoint or {}, cls))
        except msgspec.ValidationError:
            return cls()

    def as_json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", msgspec.to_builtins(self))

    def following(self) -> Self:
        """The beginning of the next step."""
        return replace(self, step=STEPS[STEPS.index(self.step) + 1], after=None, listed=0)

    def with_found(self, names: Mapping[str, int]) -> Self:
        """With these names of other subreddits, each so many times; the rarest go where it gets long."""
        counts = dict(self.found)
        for name, times in names.items():
            counts[name] = counts.get(name, 0) + times
        kept = sorted(counts, key=lambda name: (-counts[name], name))[:_FOUND]
        return replace(self, found={name: counts[name] for name in kept})
