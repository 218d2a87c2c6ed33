"""What a crawl says while it works."""

from __future__ import annotations

from collections.abc import Callable

from redclust.duration import words
from redclust.ops.crawl.one import Outcome
from redclust.report import Progress

#: Shorter waits for the budget are the rule and not worth a word.
_LONG_WAIT_S = 3.0


def waits(progress: Progress) -> Callable[[float, str], None]:
    """Says why a request waits, where it is for long."""

    def tell(wait_s: float, reason: str) -> None:
        if wait_s > _LONG_WAIT_S:
            progress.say(f"waits {words(wait_s)}: {reason}")

    return tell


def in_a_line(one: Outcome) -> str:
    """How the crawl of one subreddit ended."""
    done = one.figures
    told = [
        f"r/{one.name}: {one.verdict}",
        f"{done.requests:,} requests",
        f"{done.posts_added:,} new posts",
        f"{done.comments_added:,} new comments",
    ]
    if done.broken:
        told.append(f"{done.broken:,} broken things kept aside")
    return ", ".join([*told, one.problem] if one.problem else told)
