"""One page of Reddit's API into the base tables, in a transaction of the caller's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redclust.db import tombstones
from redclust.db.connect import Connection
from redclust.db.locks import LOCK_CLASS, LockName
from redclust.dumps.batches import CommentBatch, PostBatch
from redclust.dumps.things import comment_batch, post_batch
from redclust.sql import query
from redclust.store.prepared import Prepared, prepared
from redclust.store.writer import Writer, Written

Fields = Mapping[str, Any]

_ACCOUNT = re.compile(r"t2_([0-9a-z]{1,12})")
_NOBODY = (None, "", "[deleted]")


@dataclass(frozen=True, slots=True)
class Stored:
    """What a page changed; ``deleted`` counts things that it showed as deleted and that were not known so."""

    posts: Written
    comments: Written
    deleted: int


class PageWriter:
    """Writes pages on one connection; what a page says again is not written again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writer = Writer(connection, skip_unchanged=True)
        self.names = self._writer.names

    def begin(self) -> None:
        """To be called in each transaction before a name is looked up."""
        keys = {"class": LOCK_CLASS, "name": int(LockName.REFERENCES)}
        self._connection.execute(query("store", "share_references"), keys)
        self.names.forget()

    def store(self, posts: Sequence[Fields], comments: Sequence[Fields], *, seen_s: float) -> Stored:
        """Merge the things of a page, seen at ``seen_s`` (Unix time), by the rule of ``sql/store.sql``.

        What its author deleted gets a tombstone. Linear, in a fixed number of statements.
        """
        batches = post_batch(posts, retrieved_s=seen_s), comment_batch(comments, retrieved_s=seen_s)
        # All names in one go: writers that take them in one order never wait for each other in a ring.
        self.names.ids("subreddits", _sorted(name for batch in batches for name in batch.subreddit_names))
        self.names.ids("users", _sorted(name for batch in batches for name in batch.author_names))
        deleted = tombstones.add_things(self._connection, "post", _deleted_posts(posts), reason="deleted")
        deleted += tombstones.add_things(
            self._connection, "comment", _deleted_comments(comments), reason="deleted"
        )
        stored = Stored(self._write(batches[0]), self._write(batches[1]), deleted)
        self._number_accounts([*posts, *comments])
        return stored

    def _write(self, batch: PostBatch | CommentBatch) -> Written:
        if not len(batch.id):
            return Written()
        (ready,) = prepared([batch])
        return self._writer.write(ready) if isinstance(ready, Prepared) else Written()

    def _number_accounts(self, things: Sequence[Fields]) -> None:
        """Reddit's numbers of the authors, where they are not known yet."""
        numbers: dict[str, int] = {}
        for thing in things:
            name, told = thing.get("author"), thing.get("author_fullname")
            found = _ACCOUNT.fullmatch(told) if isinstance(told, str) else None
            if found and isinstance(name, str) and name not in _NOBODY:
                numbers[name] = int(found[1], 36)
        if numbers:
            values = {"names": list(numbers), "numbers": list(numbers.values())}
            self._connection.execute(query("store", "number_accounts"), values)


def _sorted(names: Iterable[str]) -> list[str]:
    """Each name once by lower case, in the spelling that sorts first."""
    spelling: dict[str, str] = {}
    for name in names:
        spelling[name.lower()] = min(spelling.get(name.lower(), name), name)
    return sorted(spelling.values())


def _deleted_posts(posts: Sequence[Fields]) -> list[int]:
    return _numbers(
        post
        for post in posts
        if post.get("author") in _NOBODY
        and (post.get("removed_by_category") == "deleted" or post.get("selftext") == "[deleted]")
    )


def _deleted_comments(comments: Sequence[Fields]) -> list[int]:
    return _numbers(c for c in comments if c.get("author") in _NOBODY and c.get("body") == "[deleted]")


def _numbers(things: Iterable[Fields]) -> list[int]:
    return [int(str(thing["id"]), 36) for thing in things]
