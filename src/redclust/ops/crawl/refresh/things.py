"""Posts and comments, looked at again by their ids."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import cast

from redclust.db import tombstones
from redclust.db.connect import Connection
from redclust.ops.crawl.refresh.accounts import AccountSweep
from redclust.ops.crawl.refresh.asking import Asking
from redclust.ops.crawl.refresh.due import BATCH
from redclust.ops.crawl.refresh.report import Tally
from redclust.ops.crawl.refresh.store import Store
from redclust.ops.crawl.storing import keep_aside
from redclust.reddit.failures import Unavailable
from redclust.reddit.names import base36
from redclust.reddit.pages import Broken, Fields, Page, fields_of
from redclust.sql import query
from redclust.store.pages import PageWriter

#: A post or comment: whether it is a comment, and its id.
Thing = tuple[bool, int]

_NOBODY = (None, "", "[deleted]")
_NO_TEXT = ("[deleted]", "[removed]")
_ID = re.compile(r"[0-9a-z]{1,12}")
_TRIES = 3


class ThingSweep:
    """Looks at things, and for a second time at those that Reddit left out.

    Reddit leaves out what is gone, but also what is in a subreddit that is private by now, and once in a
    while everything. So a thing has vanished when its subreddit can be read, and a second answer that shows
    something known to be there (the subreddit itself) leaves it out too.
    """

    def __init__(
        self, asking: Asking, store: Store, accounts: AccountSweep, tally: Tally, *, recheck_after_s: float
    ) -> None:
        self._asking, self._store, self._accounts, self._tally = asking, store, accounts, tally
        self._recheck_after_s = recheck_after_s
        self._absent: list[Thing] = []
        #: By the id of a subreddit: its full name where it can be read, None where it cannot.
        self._readable: dict[int, str | None] = {}
        #: Things that this run will not ask for again though they have no new time of check.
        self.passed_over: set[Thing] = set()

    @property
    def waiting(self) -> int:
        """Things that are to be looked at for a second time."""
        return len(self._absent)

    def look(self, things: Sequence[Thing]) -> None:
        """One request for up to 100 things."""
        page, seen_s = self._info(things, [])
        self._keep(page, seen_s)
        self._tally.broken += len(page.broken)
        there = _those_in(page)
        self._absent += [thing for thing in things if thing not in there]
        self.passed_over.update(self._absent)

    def confirm(self) -> None:
        """Look for a second time at all that was left out."""
        while self._absent:
            some, self._absent = self._absent[: BATCH - 1], self._absent[BATCH - 1 :]
            try:
                self._confirm(some)
            except BaseException:
                self._absent = some + self._absent
                raise

    def _confirm(self, things: list[Thing]) -> None:
        places = self._store.run(lambda c: _places(c, things))
        hidden = [thing for thing in things if thing in places and self._witness(*places[thing]) is None]
        if hidden:
            self._tally.hidden += len(hidden)
            self._count(hidden)
        asked = [thing for thing in things if thing in places and thing not in set(hidden)]
        if not asked:
            return
        witness = str(self._witness(*places[asked[0]]))
        for _ in range(_TRIES):
            page, seen_s = self._info(asked, [witness])
            self._keep(page, seen_s)
            there = _those_in(page)
            asked = [thing for thing in asked if thing not in there]
            if not page.broken and witness in [place.get("name") for place in page.subreddits]:
                self._bury(asked)
                return
        self._tally.unconfirmed += len(asked)

    def _witness(self, subreddit_id: int, name: str) -> str | None:
        """The subreddit's full name, None where it cannot be read."""
        if subreddit_id not in self._readable:
            try:
                about = self._asking.ask(lambda: self._asking.client.about(name))
                told = about.get("name")
                self._readable[subreddit_id] = told if isinstance(told, str) else ""
            except Unavailable as gone:
                values = {
                    "id": subreddit_id,
                    "verdict": str(gone.verdict),
                    "recheck_after_s": self._recheck_after_s,
                }
                self._store.run(lambda c: c.execute(query("crawl", "set_verdict"), values))
                self._readable[subreddit_id] = None
        return self._readable[subreddit_id]

    def _info(self, things: Sequence[Thing], more: list[str]) -> tuple[Page, float]:
        names = [f"{'t1' if is_comment else 't3'}_{base36(identity)}" for is_comment, identity in things]
        seen_s = time.time()
        return self._asking.ask(lambda: self._asking.client.info([*names, *more])), seen_s

    def _keep(self, page: Page, seen_s: float) -> None:
        """Store what a page shows; whoever has lost a name in it is asked after."""

        def write(connection: Connection, pages: PageWriter) -> tuple[int, int, dict[int, str]]:
            lost = _lost_authors(connection, page)
            stored = pages.store(page.posts, page.comments, seen_s=seen_s)
            for broken in page.broken:
                keep_aside(connection, str(_fields(broken).get("subreddit") or ""), [broken])
            return stored.posts.replaced + stored.comments.replaced, stored.deleted, lost

        changed, deleted, lost = self._store.page(write)
        self._tally.changed += changed
        self._tally.deleted += deleted
        self._count(_those_in(page))
        self._accounts.suspect(lost)

    def _bury(self, things: list[Thing]) -> None:
        def write(connection: Connection, pages: PageWriter) -> None:
            for kind, is_comment in (("post", False), ("comment", True)):
                ids = [identity for which, identity in things if which == is_comment]
                tombstones.bury(connection, cast("tombstones.Thing", kind), ids)

        self._store.page(write)
        self._tally.vanished += len(things)
        self._count(things)

    def _count(self, things: Iterable[Thing]) -> None:
        for is_comment, _ in things:
            if is_comment:
                self._tally.comments += 1
            else:
                self._tally.posts += 1


def _those_in(page: Page) -> set[Thing]:
    """The posts and comments of a page, also those that are broken and say who they are."""
    told = [("t3", post) for post in page.posts] + [("t1", comment) for comment in page.comments]
    told += [(broken.kind, _fields(broken)) for broken in page.broken if broken.kind in ("t1", "t3")]
    ids = [(kind == "t1", fields.get("id")) for kind, fields in told]
    return {(is_comment, int(i, 36)) for is_comment, i in ids if isinstance(i, str) and _ID.fullmatch(i)}


def _places(connection: Connection, things: list[Thing]) -> dict[Thing, tuple[int, str]]:
    """Where things are: the id and the name of their subreddit. Without those that are not here any more."""
    found: dict[Thing, tuple[int, str]] = {}
    for is_comment, kind in ((False, "posts"), (True, "comments")):
        ids = [identity for which, identity in things if which == is_comment]
        for identity, place, name in connection.execute(query("refresh", f"places_of_{kind}"), {"ids": ids}):
            found[is_comment, identity] = (place, name)
    return found


def _lost_authors(connection: Connection, page: Page) -> dict[int, str]:
    """Accounts, by their ids here, whose names are gone from things that are there themselves."""
    lost: dict[int, str] = {}
    for kind, things, text in (("posts", page.posts, "selftext"), ("comments", page.comments, "body")):
        ids = [
            int(str(thing["id"]), 36)
            for thing in things
            if thing.get("author") in _NOBODY
            and thing.get(text) not in _NO_TEXT
            and not thing.get("removed_by_category")
        ]
        if ids:
            lost |= dict(connection.execute(query("refresh", f"lost_{kind}"), {"ids": ids}).fetchall())
    return lost


def _fields(broken: Broken) -> Fields:
    try:
        return fields_of(json.loads(broken.raw))
    except ValueError:
        return {}
