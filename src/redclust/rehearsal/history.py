"""What happened in a generated Reddit: one month of posts and comments, event by event."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from redclust.rehearsal.population import BOTS, Account, Draw, Subreddit, pick, shuffled, zipf
from redclust.rehearsal.themes import BOT_LINES, EVERYDAY, SENTENCES, THEMES, TITLES, Theme

MONTH_START_S = 1_717_200_000  # 2024-06-01, UTC
MONTH_S = 30 * 86_400

_FIRST_POST_ID = int("1d5k2a0", 36)
_FIRST_COMMENT_ID = int("l6m0000", 36)
_DELETED_SHARE = 0.03
#: A comment's draw below the n-th of these is the n-th bot's.
_BOT_BELOW = tuple(accumulate((0.03, 0.01, 0.015)))


class Post(NamedTuple):
    id: int
    subreddit: int  # index into World.subreddits
    author: int  # index into World.accounts; -1: deleted
    created_utc_s: int
    title: str
    body: str
    link: str  # "": a text post
    score: int
    num_comments: int
    over_18: bool
    stickied: bool


class Comment(NamedTuple):
    id: int
    post: int  # index into World.post_list
    parent: int  # index into World.comment_list; -1: answers the post itself
    author: int  # index into World.accounts; -1: deleted
    created_utc_s: int
    edited_utc_s: int  # 0: never
    body: str
    score: int


def slug(title: str) -> str:
    """The part of a permalink that says what the post is about."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:50].rstrip("_")


class _Speaker:
    """Sentences of one community, from templates split once."""

    def __init__(self, draw: Draw, theme: Theme, names: Sequence[str]) -> None:
        slots = {"t": theme.things, "q": theme.qualities, "a": theme.acts, "s": tuple(names)}
        self._draw = draw
        self._sentences = [self._split(sentence, slots) for sentence in SENTENCES]
        self._titles = [self._split(title, slots) for title in TITLES]

    @staticmethod
    def _split(template: str, slots: dict[str, tuple[str, ...]]) -> list[str | tuple[str, ...]]:
        return [slots[piece[1]] if piece[:1] == "{" else piece for piece in re.split(r"(\{\w\})", template)]

    def _say(self, templates: list[list[str | tuple[str, ...]]]) -> str:
        draw = self._draw
        words = [
            piece if isinstance(piece, str) else piece[int(draw() * len(piece))]
            for piece in templates[int(draw() * len(templates))]
        ]
        return re.sub(r"\ba (?=[aeiou])", "an ", "".join(words))

    def title(self) -> str:
        title = self._say(self._titles)
        return title[:1].upper() + title[1:]

    def text(self) -> str:
        return " ".join([self._say(self._sentences) for _ in range(1 + int(self._draw() * self._draw() * 4))])


class History:
    """The month as it happens: one event after the other, posts spread evenly between comments."""

    def __init__(
        self,
        draw: Draw,
        places: Sequence[Subreddit],
        accounts: Sequence[Account],
        users: int,
    ) -> None:
        self.draw = draw
        self.places = places
        self.accounts = accounts
        self.users = users
        self.activity = zipf(users, 25.0)
        communities = max(place.community for place in places) + 1
        self.members: list[list[int]] = [
            [i for i, place in enumerate(places) if place.community == c] for c in range(communities)
        ]
        self.hubs = [i for i, place in enumerate(places) if place.community < 0]
        self.popularity = [zipf(len(members), 2.0) for members in self.members]
        self.hub_popularity = zipf(len(self.hubs), 1.0)
        self.interests = [self._interests(account.home) for account in accounts[:users]]
        self.second = [
            int(draw() * communities) if draw() < 0.3 else account.home for account in accounts[:users]
        ]
        self.speakers = [
            _Speaker(draw, THEMES[c % len(THEMES)], [places[i].name for i in members])
            for c, members in enumerate(self.members)
        ]
        self.speakers.append(_Speaker(draw, EVERYDAY, [places[i].name for i in self.hubs]))
        self.rounds = [shuffled(draw, len(places)) for _ in BOTS]
        self.bot_turns = [0] * len(BOTS)
        self.posts: list[Post] = []
        self.comments: list[Comment] = []
        self.posts_in: list[list[int]] = [[] for _ in places]
        self.comments_on: list[list[int]] = []

    def run(self, posts: int, comments: int) -> tuple[tuple[Post, ...], tuple[Comment, ...]]:
        draw, total = self.draw, posts + comments
        opening = shuffled(draw, len(self.places))
        rest_posts, rest = posts - len(opening), total - len(opening)
        post_id, comment_id = _FIRST_POST_ID, _FIRST_COMMENT_ID
        for event in range(total):
            at = MONTH_START_S + int((event + draw()) * MONTH_S / total)
            later = event - len(opening)
            if later < 0:
                post_id += 1 + int(draw() * 40)
                self._open(post_id, at, opening[event])
            elif (later + 1) * rest_posts // rest > later * rest_posts // rest:
                post_id += 1 + int(draw() * 40)
                author = pick(draw, self.activity)
                self._post(post_id, at, author, self._place(author))
            else:
                comment_id += 1 + int(draw() * 60)
                self._comment(comment_id, at)
        counted = (
            post._replace(num_comments=len(answers))
            for post, answers in zip(self.posts, self.comments_on, strict=True)
        )
        return tuple(counted), tuple(self.comments)

    def _interests(self, home: int) -> list[int]:
        """The few subreddits of its home that a user comes back to."""
        members, popularity = self.members[home], self.popularity[home]
        return [members[pick(self.draw, popularity)] for _ in range(2 + int(self.draw() * 6))]

    def _place(self, user: int) -> int:
        draw = self.draw
        kind = draw()
        if kind < 0.58:
            favourites = self.interests[user]
            return favourites[int(draw() * len(favourites))]
        if kind < 0.80:
            community = self.accounts[user].home if kind < 0.72 else self.second[user]
            return self.members[community][pick(draw, self.popularity[community])]
        if kind < 0.97:
            return self.hubs[pick(draw, self.hub_popularity)]
        return int(draw() * len(self.places))

    def _score(self) -> int:
        """Heavy-tailed (P(score > x) about 1/x), one in sixteen below zero."""
        draw = self.draw
        size = int(1.0 / (1.0 - draw() * 0.9999))
        return 1 - size % 40 if draw() < 0.0625 else size

    def _seen(self, author: int) -> int:
        return -1 if self.draw() < _DELETED_SHARE else author

    def _add_post(self, post: Post) -> None:
        self.posts_in[post.subreddit].append(len(self.posts))
        self.posts.append(post)
        self.comments_on.append([])

    def _open(self, identity: int, at: int, place: int) -> None:
        """AutoModerator's pinned thread: the first post of each subreddit."""
        name = self.places[place].name
        title = f"Monthly discussion and questions in r/{name}"
        body = "Please be kind, read the rules, and ask here first. I am a bot."
        self._add_post(Post(identity, place, self.users, at, title, body, "", 1, 0, False, True))

    def _post(self, identity: int, at: int, author: int, place: int) -> None:
        draw = self.draw
        speaker = self.speakers[self.places[place].community]
        title, link, body = speaker.title(), "", ""
        if draw() < 0.35:
            link = f"https://example.org/{slug(title)}-{identity % 9973}"
        else:
            body = speaker.text() if draw() < 0.97 else "[removed]"
        over_18 = draw() < 0.015
        self._add_post(
            Post(identity, place, self._seen(author), at, title, body, link, self._score(), 0, over_18, False)
        )

    def _comment(self, identity: int, at: int) -> None:
        draw = self.draw
        kind = draw()
        bot = bisect_right(_BOT_BELOW, kind)
        if bot < len(BOTS):
            author = self.users + bot
            place = self.rounds[bot][self.bot_turns[bot] % len(self.places)]
            self.bot_turns[bot] += 1
        else:
            author = pick(draw, self.activity)
            place = self._place(author)
        here = self.posts_in[place]
        # Squared: the newest posts draw most of the answers.
        post = here[len(here) - 1 - int(draw() * draw() * len(here))]
        answers = self.comments_on[post]
        parent = answers[int(draw() * len(answers))] if answers and draw() < 0.45 else -1
        shown = author if bot < len(BOTS) else self._seen(author)
        speaker = self.speakers[self.places[place].community]
        body = BOT_LINES[bot] if bot < len(BOT_LINES) else speaker.text()
        if shown < 0 and draw() < 0.5:
            body = "[deleted]" if draw() < 0.5 else "[removed]"
        edited = at + 60 + int(draw() * 7_200) if draw() < 0.025 else 0
        answers.append(len(self.comments))
        self.comments.append(Comment(identity, post, parent, shown, at, edited, body, self._score()))
