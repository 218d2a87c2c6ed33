"""A generated Reddit with planted communities: the same bytes from the same seed, everywhere.

What a world *is* (`World`, `Post`, `Comment`) stands apart from what a dump of it looks like
(`submission_row`, `comment_row`), so that it can be served in other shapes too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from os import fsync
from pathlib import Path
from random import Random
from secrets import token_hex

import orjson
import zstandard

from redclust.errors import UsageError
from redclust.rehearsal.history import Comment, History, Post, slug
from redclust.rehearsal.population import (
    COMMUNITIES_MAX,
    Account,
    Subreddit,
    community_names,
    make_accounts,
    make_subreddits,
)

RETRIEVED_AFTER_S = 36 * 3_600


@dataclass(frozen=True, slots=True)
class World:
    """One month of an invented Reddit. Posts and comments are in order of time and of id.

    Heavy-tailed in everything: subreddits' sizes, how much a user writes, scores. A user writes mostly in
    one community, at times in a second; everybody writes in the hubs; three accounts are bots that reach
    more than 100 subreddits (where there are as many, and comments enough).
    """

    seed: int
    community_names: tuple[str, ...]
    subreddits: tuple[Subreddit, ...]
    accounts: tuple[Account, ...]
    post_list: tuple[Post, ...]
    comment_list: tuple[Comment, ...]

    @classmethod
    def generate(
        cls,
        seed: int = 7,
        *,
        subreddits: int = 300,
        users: int = 4_000,
        communities: int = 12,
        posts: int = 8_000,
        comments: int = 40_000,
    ) -> World:
        """Make a world; O(posts + comments), about 10 us and 0.5 kB each.

        ``posts`` and ``comments`` are met exactly; of ``users`` the quietest may stay silent, and the
        three bots come on top.

        Raises:
            ValueError: communities outside 1..96, fewer than five subreddits a community, no user, or
                fewer posts than subreddits (each one opens with a post).
        """
        if not 1 <= communities <= COMMUNITIES_MAX:
            raise ValueError(f"communities must be in 1..{COMMUNITIES_MAX}, not {communities}")
        if subreddits < 5 * communities:
            raise ValueError(f"{communities} communities need {5 * communities} subreddits, not {subreddits}")
        if users < 1 or posts < subreddits or comments < 0:
            raise ValueError("needs at least 1 user, a post for each subreddit, and no negative count")
        draw = Random(seed).random
        places = make_subreddits(draw, subreddits, communities)
        accounts = make_accounts(draw, users, places, communities)
        post_list, comment_list = History(draw, places, accounts, users).run(posts, comments)
        return cls(seed, community_names(communities), places, accounts, post_list, comment_list)

    @property
    def planted(self) -> dict[str, int]:
        """The true community of each subreddit, by name; -1 for the hubs. Made anew each time."""
        return {place.name: place.community for place in self.subreddits}

    def posts(self) -> Iterator[dict[str, object]]:
        """The rows of an RS dump."""
        return (submission_row(self, post) for post in self.post_list)

    def comments(self) -> Iterator[dict[str, object]]:
        """The rows of an RC dump."""
        return (comment_row(self, comment) for comment in self.comment_list)


def base36(number: int) -> str:
    """Reddit's spelling of an id: 0-9a-z, no padding."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def _author_fields(world: World, author: int) -> dict[str, object]:
    """As dumps have them: a deleted author has a name of its own and no ``author_fullname``."""
    if author < 0:
        return {"author": "[deleted]"}
    account = world.accounts[author]
    return {"author": account.name, "author_fullname": f"t2_{base36(account.id)}"}


def _place_fields(place: Subreddit) -> dict[str, object]:
    return {
        "subreddit": place.name,
        "subreddit_id": f"t5_{base36(place.id)}",
        "subreddit_name_prefixed": f"r/{place.name}",
        "subreddit_type": "public",
    }


def submission_row(world: World, post: Post) -> dict[str, object]:
    """One line of an RS dump, keys and types as dumps of 2024 have them."""
    place = world.subreddits[post.subreddit]
    identity = base36(post.id)
    permalink = f"/r/{place.name}/comments/{identity}/{slug(post.title)}/"
    return {
        "id": identity,
        "name": f"t3_{identity}",
        **_author_fields(world, post.author),
        **_place_fields(place),
        "subreddit_subscribers": place.subscribers,
        "title": post.title,
        "selftext": post.body,
        "url": post.link or f"https://www.reddit.com{permalink}",
        "domain": "example.org" if post.link else f"self.{place.name}",
        "permalink": permalink,
        "is_self": not post.link,
        "over_18": post.over_18,
        "score": post.score,
        "num_comments": post.num_comments,
        "created_utc": post.created_utc_s,
        "retrieved_on": post.created_utc_s + RETRIEVED_AFTER_S,
        "edited": False,
        "stickied": post.stickied,
        "distinguished": "moderator" if post.stickied else None,
        "locked": False,
        "gilded": 0,
        "link_flair_text": None,
    }


def comment_row(world: World, comment: Comment) -> dict[str, object]:
    """One line of an RC dump, keys and types as dumps of 2024 have them (``edited``: false or a float)."""
    post = world.post_list[comment.post]
    place = world.subreddits[post.subreddit]
    identity, post_id = base36(comment.id), base36(post.id)
    parent = f"t3_{post_id}" if comment.parent < 0 else f"t1_{base36(world.comment_list[comment.parent].id)}"
    return {
        "id": identity,
        "name": f"t1_{identity}",
        **_author_fields(world, comment.author),
        **_place_fields(place),
        "link_id": f"t3_{post_id}",
        "parent_id": parent,
        "body": comment.body,
        "permalink": f"/r/{place.name}/comments/{post_id}/{slug(post.title)}/{identity}/",
        "score": comment.score,
        "created_utc": comment.created_utc_s,
        "retrieved_on": comment.created_utc_s + RETRIEVED_AFTER_S,
        "edited": float(comment.edited_utc_s) if comment.edited_utc_s else False,
        "is_submitter": 0 <= comment.author == post.author,
        "controversiality": 0,
        "stickied": False,
        "distinguished": None,
        "gilded": 0,
    }


def write_dump(path: Path, rows: Iterable[dict[str, object]]) -> int:
    """Write ``rows`` as a zstd dump, one JSON object a line; returns how many.

    The file appears under its name only when it is whole; until then it is a hidden file beside it.

    Raises:
        UsageError: the directory is missing or not writable, or ``path`` is a directory.
    """
    count = 0
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as out:
                for row in rows:
                    out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                    count += 1
            file.flush()
            fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return count
