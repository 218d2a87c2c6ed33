"""A Reddit as it stands at one moment: a world, and what has happened to it since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redclust.rehearsal.history import MONTH_S, MONTH_START_S, Comment, Post
from redclust.rehearsal.population import Subreddit
from redclust.rehearsal.world import World, base36

POST, COMMENT, ACCOUNT, PLACE = "t3_", "t1_", "t2_", "t5_"


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one answer shows at most, as Reddit limits it; smaller ones make small worlds interesting."""

    listing: int = 1_000  # things that a listing reaches, over all its pages
    page: int = 100
    comments: int = 500  # of one look at a post
    more: int = 100  # comments of one morechildren request
    depth: int = 10  # levels of one look; deeper ones are behind "continue this thread"

    def __post_init__(self) -> None:
        """Raises: ValueError: one is too small to get anywhere (a look at a comment shows itself first)."""
        if min(self.listing, self.page, self.comments, self.more) < 1 or self.depth < 2:
            raise ValueError("caps are at least 1, and 2 for the depth")


class Standing(StrEnum):
    """What a client finds where a subreddit was."""

    OPEN = "open"
    PRIVATE = "private"
    QUARANTINED = "quarantined"
    BANNED = "banned"
    MISSING = "missing"
    LEGAL = "legal"  # 451


class Fate(StrEnum):
    """What became of a post or comment."""

    DELETED = "deleted"  # by its author: no name, no text; a comment with replies keeps its place
    REMOVED = "removed"  # by a moderator: the same, and it says so
    GONE = "gone"  # not even `info` knows it


class AccountFate(StrEnum):
    DELETED = "deleted"  # what it wrote stays, without its name
    SUSPENDED = "suspended"  # its name stays on what it wrote


class Site:
    """Everything that is served, found by name or id, and the ways to change it.

    Not safe for threads by itself: a server changes and reads it under one lock.

    ``raw`` holds objects as Reddit sent them, by full name; what is served of these is exactly that, but
    for what has been changed here. ``left_out`` has, by parent, the count and ids of comments that Reddit
    left behind a ``more`` and that are nowhere. Building takes about 2 us a post or comment.
    """

    def __init__(
        self,
        world: World,
        *,
        caps: Caps | None = None,
        raw: Mapping[str, dict[str, Any]] | None = None,
        left_out: Mapping[str, tuple[int, tuple[str, ...]]] | None = None,
    ) -> None:
        self.world = world
        self.caps = caps or Caps()
        self.raw, self.left_out = raw or {}, left_out or {}
        self.places, self.accounts = world.subreddits, world.accounts
        self.posts, self.comments = list(world.post_list), list(world.comment_list)
        last = max((t.created_utc_s for t in (*self.posts[-1:], *self.comments[-1:])), default=0)
        #: The time in this Reddit, which stands still.
        self.now_s = max(MONTH_START_S + MONTH_S if not raw else 0, last + 1)
        self.place_at = {place.name.lower(): i for i, place in enumerate(self.places)}
        self.place_by_id = {f"{PLACE}{base36(place.id)}": i for i, place in enumerate(self.places)}
        self.account_at = {account.name.lower(): i for i, account in enumerate(self.accounts)}
        self.account_by_id = {f"{ACCOUNT}{base36(account.id)}": i for i, account in enumerate(self.accounts)}
        self.post_names: list[str] = []
        self.comment_names: list[str] = []
        self.post_at: dict[str, int] = {}
        self.comment_at: dict[str, int] = {}
        self.posts_in: list[list[int]] = [[] for _ in self.places]
        self.posts_by: dict[int, list[int]] = defaultdict(list)
        self.comments_by: dict[int, list[int]] = defaultdict(list)
        self.answers: list[list[int]] = []  # to each post, top level only
        self.replies: dict[int, list[int]] = defaultdict(list)
        self.standings: dict[int, Standing] = {}
        self.fates: dict[str, Fate] = {}
        self.account_fates: dict[int, AccountFate] = {}
        self.posts_edited_s: dict[str, int] = {}
        #: Posts and comments that are not any more as the world (or ``raw``) has them.
        self.changed: set[str] = set()
        #: What things look like in JSON, remembered until they change.
        self.written: dict[str, bytes] = {}
        self._orders: dict[tuple[object, ...], list[str]] = {}
        for i, post in enumerate(self.posts):
            self._file_post(i, post)
        for i, comment in enumerate(self.comments):
            self._file_comment(i, comment)

    def _file_post(self, i: int, post: Post) -> None:
        name = f"{POST}{base36(post.id)}"
        self.post_names.append(name)
        self.post_at[name] = i
        self.posts_in[post.subreddit].append(i)
        self.answers.append([])
        if post.author >= 0:
            self.posts_by[post.author].append(i)

    def _file_comment(self, i: int, comment: Comment) -> None:
        name = f"{COMMENT}{base36(comment.id)}"
        self.comment_names.append(name)
        self.comment_at[name] = i
        (self.answers[comment.post] if comment.parent < 0 else self.replies[comment.parent]).append(i)
        if comment.author >= 0:
            self.comments_by[comment.author].append(i)

    def place_of(self, name: str) -> Subreddit | None:
        """The subreddit that a post, comment or subreddit's full name belongs to."""
        if (i := self.post_at.get(name)) is not None:
            return self.places[self.posts[i].subreddit]
        if (i := self.comment_at.get(name)) is not None:
            return self.places[self.posts[self.comments[i].post].subreddit]
        return self.places[self.place_by_id[name]] if name in self.place_by_id else None

    def is_open(self, name: str) -> bool:
        """Whether the subreddit of a post or comment shows itself."""
        place = self.place_of(name)
        return place is not None and self.place_at[place.name.lower()] not in self.standings

    def comment_shows(self, i: int) -> bool:
        """A deleted comment keeps its place for as long as it has replies that show."""
        name = self.comment_names[i]
        return name not in self.fates or any(self.comment_shows(reply) for reply in self.replies.get(i, ()))

    def order(self, key: tuple[object, ...], make: Callable[[], Iterable[str]]) -> list[str]:
        """The full names of a listing, remembered until something changes; never more than the cap."""
        if key not in self._orders:
            self._orders[key] = list(make())[: self.caps.listing]
        return self._orders[key]

    # What can happen. Names are full names (t3_…, t1_…) and subreddits' or users' names.

    def stand(self, subreddit: str, standing: Standing) -> None:
        """Make a subreddit private, banned … or open again."""
        i = self.place_at[subreddit.lower()]
        self.standings.pop(i, None)
        if standing is not Standing.OPEN:
            self.standings[i] = standing

    def end(self, name: str, fate: Fate = Fate.DELETED) -> None:
        """Delete or remove a post or comment."""
        self._known(name)
        self.fates[name] = fate
        self._touch(name)

    def end_account(self, user: str, fate: AccountFate = AccountFate.DELETED) -> None:
        self.account_fates[self.account_at[user.lower()]] = fate
        self.written.clear()

    def edit(self, name: str, text: str) -> None:
        """Change the text of a post or comment; it says when."""
        self._known(name)
        if name in self.post_at:
            self.posts_edited_s[name] = self.now_s
            self._replace_post(name, body=text)
        else:
            self._replace_comment(name, body=text, edited_utc_s=self.now_s)

    def vote(self, name: str, score: int) -> None:
        self._known(name)
        (self._replace_post if name in self.post_at else self._replace_comment)(name, score=score)

    def submit(self, subreddit: str, user: str, title: str, *, body: str = "") -> str:
        """A new post; returns its full name. Time moves on by a second, as for a new comment."""
        self.now_s += 1
        identity = max((post.id for post in self.posts), default=0) + 1
        place, author = self.place_at[subreddit.lower()], self.account_at[user.lower()]
        self.posts.append(Post(identity, place, author, self.now_s, title, body, "", 1, 0, False, False))
        self._file_post(len(self.posts) - 1, self.posts[-1])
        self._touch(self.post_names[-1])
        return self.post_names[-1]

    def reply(self, parent: str, user: str, body: str) -> str:
        """A new comment below a post or a comment; returns its full name."""
        self._known(parent)
        self.now_s += 1
        identity = max((comment.id for comment in self.comments), default=0) + 1
        above = self.comment_at.get(parent, -1)
        post = self.post_at[parent] if above < 0 else self.comments[above].post
        author = self.account_at[user.lower()]
        self.comments.append(Comment(identity, post, above, author, self.now_s, 0, body, 1))
        self._file_comment(len(self.comments) - 1, self.comments[-1])
        answered = self.post_names[post]
        self._replace_post(answered, num_comments=self.posts[post].num_comments + 1)
        self._touch(self.comment_names[-1])
        return self.comment_names[-1]

    def _known(self, name: str) -> None:
        if name not in self.post_at and name not in self.comment_at:
            raise KeyError(f"no post or comment {name} in this Reddit")

    def _replace_post(self, name: str, **changes: Any) -> None:
        i = self.post_at[name]
        self.posts[i] = self.posts[i]._replace(**changes)
        self._touch(name)

    def _replace_comment(self, name: str, **changes: Any) -> None:
        i = self.comment_at[name]
        self.comments[i] = self.comments[i]._replace(**changes)
        self._touch(name)

    def _touch(self, name: str) -> None:
        self.changed.add(name)
        self.written.pop(name, None)
        self._orders.clear()
