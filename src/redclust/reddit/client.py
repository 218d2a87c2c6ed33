"""Reddit's API, a page a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, cast

import prawcore
from praw.exceptions import PRAWException

from redclust.config import RedditSettings
from redclust.db.session import Database
from redclust.reddit.breaker import State
from redclust.reddit.budget import Budget, Lane
from redclust.reddit.connection import connect, credentials
from redclust.reddit.failures import RateLimited, Retryable, Unavailable, Verdict
from redclust.reddit.pages import Fields, Gathering, Page, UnexpectedShape, fields_of
from redclust.reddit.telling import failure

Sort = Literal["new", "hot", "top", "rising", "controversial"]
Time = Literal["hour", "day", "week", "month", "year", "all"]
CommentSort = Literal["confidence", "top", "new", "controversial", "old", "qa"]
Activity = Literal["overview", "comments", "submitted"]

#: What one request can bring, or ask for.
PAGE_LIMIT = 100
#: So many 429s in a row, each waited out, and the call gives up.
_REFUSALS = 4


class Client:
    """One crawler's way to Reddit: every call is one request (and what tokens and retries add to it).

    Not for two threads; one a process. Names and ids are put into addresses as they are: check names
    with :mod:`redclust.reddit.names` first.

    Every call raises, beside what it names:
        Unavailable: a fact about what was asked for.
        Retryable: Reddit failed, gave no answer or one that is not understood; ``BreakerOpen`` where it
            has failed several times and nothing was sent.
        StopEveryone: 429 after all waiting, the budget spent for longer than ``max_wait_s``, the
            credentials refused, this machine blocked.
        Interrupted: ``interrupt`` was set while the request waited, or seconds ago while it was on its way;
            ``Capped`` where ``max_requests`` have been sent.
        DatabaseUnreachable: the budget's database does not come back.
    """

    def __init__(
        self,
        settings: RedditSettings,
        database: Database,
        *,
        lane: Lane = Lane.CRAWL,
        max_wait_s: float = 900,
        max_requests: int | None = None,
        interrupt: threading.Event | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        """Check the credentials; nothing is sent yet.

        ``on_wait(seconds, reason)`` hears of each wait for the budget before it begins.

        Raises:
            ConfigError: credentials are missing; says how to get them.
        """
        known = credentials(settings)
        interrupt = interrupt or threading.Event()
        self._budget = Budget(
            lambda: database.connect(autocommit=True, role="budget"),
            known.client_id,
            requests_per_minute=settings.requests_per_minute,
            lane=lane,
            max_wait_s=max_wait_s,
            max_requests=max_requests,
            # It must be told here after it came.
            probe_s=settings.timeout_s + 10,
            interrupt=interrupt,
            on_wait=on_wait,
        )
        self._request, self._requestor = connect(settings, known, self._budget, interrupt)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._requestor.close()
        self._budget.close()

    @property
    def requests(self) -> int:
        """Requests sent so far, tokens and retries included."""
        return self._budget.sent

    def budget(self) -> State:
        """The shared budget and breaker as they are now; sends nothing."""
        return self._budget.state()

    def about(self, name: str) -> Fields:
        """A subreddit's own fields (``t5``): ``display_name``, ``subscribers``, ``created_utc``, …"""
        data = fields_of(fields_of(self._get(f"r/{name}/about")).get("data"))
        if not isinstance(data.get("display_name"), str):
            raise self._unexpected("no subreddit")
        return data

    def listing(
        self,
        name: str,
        sort: Sort = "new",
        *,
        time: Time = "all",
        after: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page:
        """A page of a subreddit's posts; ``time`` is for ``top`` and ``controversial``."""
        query: dict[str, str | int] = {"limit": limit}
        if sort in ("top", "controversial"):
            query["t"] = time
        return self._listing(f"r/{name}/{sort}", query, after)

    def user_activity(
        self, name: str, what: Activity = "overview", *, after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """A page of what a user wrote, newest first."""
        return self._listing(f"user/{name}/{what}", {"limit": limit, "sort": "new"}, after)

    def info(self, fullnames: Sequence[str]) -> Page:
        """Up to 100 things by fullname (``t1_``, ``t3_``, ``t5_``); those that are gone are left out."""
        _require_page(fullnames)
        return self._listing("api/info", {"id": ",".join(fullnames), "limit": PAGE_LIMIT}, None)

    def comments(
        self,
        post_id: str,
        *,
        below: str | None = None,
        sort: CommentSort = "confidence",
        limit: int = 500,
        depth: int | None = None,
    ) -> Page:
        """A post with its comments, the tree made flat; ``below`` is a comment's id that becomes the root."""
        query: dict[str, str | int] = {"limit": limit, "sort": sort}
        if depth is not None:
            query["depth"] = depth
        sent = self.requests
        answer = self._get(f"comments/{post_id}" + (f"/_/{below}" if below else ""), query)
        gathering = Gathering()
        try:
            if not isinstance(answer, list) or len(cast("list[object]", answer)) != 2:
                raise UnexpectedShape("not a post and its comments")
            for part in cast("list[object]", answer):
                gathering.listing(part)
        except UnexpectedShape as error:
            raise self._unexpected(str(error)) from None
        return gathering.page(requests=self.requests - sent)

    def more_children(self, post_id: str, ids: Sequence[str], *, sort: CommentSort = "confidence") -> Page:
        """Up to 100 comments that a tree left out, with those below them.

        Reddit refuses two such requests of one client id at a time, so only one is on its way.
        """
        _require_page(ids)
        form = {"link_id": f"t3_{post_id}", "children": ",".join(ids), "sort": sort}
        sent = self.requests
        with self._budget.alone():
            answer = self._ask("POST", "api/morechildren", data=form)
        things = fields_of(fields_of(fields_of(answer).get("json")).get("data")).get("things")
        if not isinstance(things, list):
            raise self._unexpected("no comments")
        gathering = Gathering()
        gathering.take(cast("list[object]", things))
        return gathering.page(requests=self.requests - sent)

    def partial_redditors(self, ids: Sequence[str]) -> dict[str, Fields]:
        """Up to 100 accounts by fullname (``t2_``); those that are gone are left out."""
        _require_page(ids)
        try:
            answer = self._get("api/user_data_by_account_ids", {"ids": ",".join(ids)})
        except Unavailable as gone:
            if gone.verdict is Verdict.MISSING:
                return {}
            raise
        if not isinstance(answer, dict):
            raise self._unexpected("no accounts")
        accounts = fields_of(cast("object", answer))
        return {key: cast("Fields", value) for key, value in accounts.items() if isinstance(value, dict)}

    def _listing(self, path: str, query: dict[str, str | int], after: str | None) -> Page:
        if after is not None:
            query["after"] = after
        sent = self.requests
        answer = self._get(path, query)
        gathering = Gathering()
        try:
            following = gathering.listing(answer)
        except UnexpectedShape as error:
            raise self._unexpected(str(error)) from None
        return gathering.page(after=following, requests=self.requests - sent)

    def _get(self, path: str, query: dict[str, str | int] | None = None) -> Any:
        return self._ask("GET", path, params=query)

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        refusals = 0
        while True:
            try:
                return self._ask_once(method, path, **what)
            except RateLimited:
                # All crawlers are halted by now: the next try waits with them.
                refusals += 1
                if refusals >= _REFUSALS:
                    raise

    def _ask_once(self, method: str, path: str, **what: Any) -> Any:
        self._requestor.last = None
        try:
            return self._request(method=method, path=path, **what)
        except (
            prawcore.PrawcoreException,
            PRAWException,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            last = self._requestor.last
            if last is None:
                raise
            raise failure(last) from error

    def _unexpected(self, what: str) -> Retryable:
        last = self._requestor.last
        path = last.path if last else "a request"
        return Retryable(f"Reddit's answer to {path} is not understood: {what}")


def _require_page(ids: Sequence[str]) -> None:
    if not 1 <= len(ids) <= PAGE_LIMIT:
        raise ValueError(f"{len(ids)} ids: 1 to {PAGE_LIMIT} go into one request")
