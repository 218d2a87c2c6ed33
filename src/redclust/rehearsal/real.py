"""A site of objects as Reddit's API returned them: every shape of field that a client must survive."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

from redclust.errors import ArtefactUnusable
from redclust.rehearsal.history import Comment, Post
from redclust.rehearsal.population import Account, Subreddit
from redclust.rehearsal.site import ACCOUNT, COMMENT, PLACE, POST, Caps, Site
from redclust.rehearsal.world import World, base36

#: What recorders put in the place of names, and names that a URL can carry.
_PLACEHOLDERS = (
    (b"<TEST_SUBREDDIT>", b"Test_Subreddit"),
    (b"<USERNAME>", b"Test_User"),
)
_KINDS = ("t1", "t2", "t3", "t5", "more")
#: Ids that were never given out: for what is named by others and not there itself.
_INVENTED = int("zzzzz000", 36)


def load(directory: Path, *, caps: Caps | None = None) -> Site:
    """Read ``t1 t2 t3 t5 more`` ``.ndjson.zst`` files of raw ``data`` objects.

    What the objects speak of and is not among them stands in as Reddit shows what is deleted: a post or a
    comment without author and text, a subreddit and an account with little more than a name. A ``more``
    stays where it was, and leads to nothing. Posts without a subreddit and a comment with an
    id that recorders made up are left out.

    Raises:
        ArtefactUnusable: a file is missing, or no lines of JSON objects.
    """
    things = {kind: list(_objects(directory / f"{kind}.ndjson.zst")) for kind in _KINDS}
    return _Gathering(things).site(caps)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
            for line in io.BufferedReader(reader):
                for placeholder, name in _PLACEHOLDERS:
                    line = line.replace(placeholder, name)  # noqa: PLW2901
                yield orjson.loads(line)
    except (OSError, zstandard.ZstdError, orjson.JSONDecodeError) as error:
        raise ArtefactUnusable(f"{path}: no objects of Reddit's: {error}") from error


class _Gathering:
    """The objects, put in order as a world."""

    def __init__(self, things: dict[str, list[dict[str, Any]]]) -> None:
        self._invented = _INVENTED
        self._raw: dict[str, dict[str, Any]] = {}
        self._places: dict[str, Subreddit] = {}
        self._accounts: dict[str, Account] = {}
        self._posts: dict[str, dict[str, Any]] = {}
        self._comments: dict[str, dict[str, Any]] = {}
        self._place_ids: set[int] = set()
        self._account_ids: set[int] = set()
        for one in sorted(things["t5"], key=lambda one: -one["created_utc"]):
            self._place(one["display_name"], one)
        for one in things["t2"]:
            self._account(one["name"], f"{ACCOUNT}{one['id']}", one)
        for one in things["t3"]:
            if one.get("subreddit"):
                self._posts[one["name"]] = self._raw[one["name"]] = one
        things["t1"] = [one for one in things["t1"] if one["id"] == one["id"].lower()]
        for one in things["t1"]:
            self._comments[one["name"]] = self._raw[one["name"]] = one
        for one in things["t1"]:
            self._stand_in(one)
        self._left_out = {
            one["parent_id"]: (one["count"], tuple(one["children"]))
            for one in things["more"]
            if one["children"] and not any(f"{COMMENT}{child}" in self._comments for child in one["children"])
        }
        for one in (*self._posts.values(), *self._comments.values()):
            self._place(one["subreddit"], {"name": one.get("subreddit_id")})
            self._account(one["author"], one.get("author_fullname"))

    def _identity(self, full: object, prefix: str, taken: set[int]) -> int:
        """The id in a full name; an invented one where there is none, or another thing has it already."""
        identity = int(full.removeprefix(prefix), 36) if isinstance(full, str) else -1
        if identity < 0 or identity in taken:
            self._invented += 1
            identity = self._invented
        taken.add(identity)
        return identity

    def _place(self, name: str, one: dict[str, Any]) -> None:
        """The newest object of a name stays."""
        if name.lower() not in self._places:
            identity = self._identity(one.get("name"), PLACE, self._place_ids)
            self._places[name.lower()] = Subreddit(identity, name, -1, one.get("subscribers") or 0)
            if "display_name" in one:
                self._raw[f"{PLACE}{base36(identity)}"] = one

    def _account(self, name: str, full: object, one: dict[str, Any] | None = None) -> None:
        if name.lower() not in self._accounts and name != "[deleted]":
            identity = self._identity(full, ACCOUNT, self._account_ids)
            self._accounts[name.lower()] = Account(identity, name, -1)
            if one is not None:
                self._raw[f"{ACCOUNT}{base36(identity)}"] = one

    def _stand_in(self, one: dict[str, Any]) -> None:
        """Let the post and the parents of a comment be there."""
        post = one.get("link_id") or self._post_of(one)
        one_up = one["parent_id"]
        shared = {"subreddit": one["subreddit"], "subreddit_id": one.get("subreddit_id")}
        absent = {**shared, "author": "[deleted]", "created_utc": one["created_utc"] - 1, "score": 1}
        if post not in self._posts:
            self._posts[post] = {**absent, "name": post, "title": "[deleted by user]"}
        if one_up.startswith(COMMENT) and one_up not in self._comments:
            self._comments[one_up] = {**absent, "name": one_up, "link_id": post, "parent_id": post}

    def _post_of(self, one: dict[str, Any]) -> str:
        """The post of a comment that does not name it: its parent, its parent's, or one of its own."""
        parent: str = one["parent_id"]
        while parent.startswith(COMMENT) and parent in self._comments:
            above = self._comments[parent]
            if above.get("link_id"):
                return above["link_id"]
            parent = above["parent_id"]
        return parent if parent.startswith(POST) else f"{POST}{one['id']}"

    def site(self, caps: Caps | None) -> Site:
        places, accounts = list(self._places.values()), list(self._accounts.values())
        place_at = {place.name.lower(): i for i, place in enumerate(places)}
        account_at = {account.name.lower(): i for i, account in enumerate(accounts)}

        def author(one: dict[str, Any]) -> int:
            return account_at.get(one["author"].lower(), -1)

        raw_posts = _by_time(self._posts.values())
        post_at = {one["name"]: i for i, one in enumerate(raw_posts)}
        raw_comments = _by_time(self._comments.values())
        comment_at = {one["name"]: i for i, one in enumerate(raw_comments)}
        comments = [
            Comment(
                id=int(one["name"].removeprefix(COMMENT), 36),
                post=post_at[one.get("link_id") or self._post_of(one)],
                parent=comment_at.get(one["parent_id"], -1),
                author=author(one),
                created_utc_s=int(one["created_utc"]),
                edited_utc_s=int(one.get("edited") or 0),
                body=one.get("body", "[deleted]"),
                score=one.get("score", 1),
            )
            for one in raw_comments
        ]
        posts = [
            Post(
                id=int(one["name"].removeprefix(POST), 36),
                subreddit=place_at[one["subreddit"].lower()],
                author=author(one),
                created_utc_s=int(one["created_utc"]),
                title=one["title"],
                body=one.get("selftext", "[deleted]"),
                link="" if one.get("is_self", True) else one["url"],
                score=one["score"],
                num_comments=one.get("num_comments", 1),
                over_18=bool(one.get("over_18")),
                stickied=bool(one.get("stickied")),
            )
            for one in raw_posts
        ]
        world = World(0, (), tuple(places), tuple(accounts), tuple(posts), tuple(comments))
        return Site(world, caps=caps, raw=self._raw, left_out=self._left_out)


def _by_time(things: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(things, key=lambda one: (one["created_utc"], one["name"]))
