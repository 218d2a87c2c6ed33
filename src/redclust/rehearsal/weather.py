"""Bad days of Reddit, on demand: which requests they befall, and when.

A rule is a line of text, ``KIND key=value …``::

    503 share=0.1 seed=4                  a tenth of the requests
    429 retry-after=7 requests=100-100    the hundredth
    private sub=golang                    for ever
    timeout on=listing seconds=10-20      between two moments, from when the rule was set
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import NamedTuple

from redclust.errors import UsageError

AREAS = (
    "token",
    "about",
    "listing",
    "comments",
    "more",
    "info",
    "user",
    "activity",
    "accounts",
    "me",
    "other",
)
_API = AREAS[1:]
_PAGES = ("listing", "activity", "comments", "info", "more")
_PLACES = ("about", "listing", "comments", "more")


class Effect(Enum):
    INSTEAD = 1  # of the right answer; one of these befalls a request
    BESIDE = 2  # a part of the right answer is changed, or it comes late
    AFTER = 3  # something happens to what was just served


class Kind(NamedTuple):
    """What a kind of weather does, and to which areas where a rule does not say."""

    effect: Effect
    areas: tuple[str, ...]
    meaning: str


KINDS: dict[str, Kind] = {
    "401": Kind(Effect.INSTEAD, _API, "401 that names its error (www-authenticate)"),
    "401-bare": Kind(Effect.INSTEAD, _API, "401 that does not"),
    "expired": Kind(Effect.INSTEAD, _API, "every token of the client ends, and 401"),
    "invalid-grant": Kind(Effect.INSTEAD, ("token",), "the token endpoint answers 200 with an error"),
    "login": Kind(Effect.INSTEAD, _API, "302 to the login page"),
    "blocked": Kind(Effect.INSTEAD, _API, '403 and HTML: "blocked by network security"'),
    "html": Kind(Effect.INSTEAD, _API, "200 and HTML"),
    "private": Kind(Effect.INSTEAD, _PLACES, "403: a private subreddit"),
    "quarantined": Kind(Effect.INSTEAD, _PLACES, "403: a quarantined subreddit"),
    "banned": Kind(Effect.INSTEAD, _PLACES, "404: a banned subreddit"),
    "missing": Kind(Effect.INSTEAD, _PLACES, "302 to the search: there is no such subreddit"),
    "451": Kind(Effect.INSTEAD, _PLACES, "unavailable for legal reasons"),
    "timeout": Kind(Effect.INSTEAD, _API, "no answer, for delay= seconds or as long as the client waits"),
    "drop": Kind(Effect.INSTEAD, _API, "the connection is closed without an answer"),
    "busy-more": Kind(Effect.INSTEAD, ("more",), "bare 429 while another morechildren of the client waits"),
    "half": Kind(Effect.BESIDE, _API, "the connection is closed within the body"),
    "slow": Kind(Effect.BESIDE, _API, "the answer comes after delay= seconds (1)"),
    "empty": Kind(Effect.BESIDE, ("listing", "activity", "comments", "info"), "a listing without things"),
    "null-author": Kind(Effect.BESIDE, _PAGES, "one thing of a page has author: null"),
    "broken-item": Kind(Effect.BESIDE, _PAGES, "one thing of a page is none, in one of eight ways"),
    "float-headers": Kind(Effect.BESIDE, _API, "rate-limit headers with fractions"),
    "no-headers": Kind(Effect.BESIDE, _API, "no rate-limit headers"),
    "odd-headers": Kind(Effect.BESIDE, _API, "rate-limit headers that are no numbers"),
    "delete": Kind(Effect.AFTER, _PAGES, "the author deletes a thing of the page once it is served"),
    "remove": Kind(Effect.AFTER, _PAGES, "a moderator removes one"),
    "vanish": Kind(Effect.AFTER, _PAGES, "one is not even known to info any more"),
    "edit": Kind(Effect.AFTER, _PAGES, "one is edited"),
    "vote": Kind(Effect.AFTER, _PAGES, "one has another score"),
}
_WORDS = (
    "share=0.1 seed=4 requests=10-20 seconds=5-9 sub=NAME client=ID on=AREA,…; 429 has retry-after=7, "
    f"slow and timeout have delay=2; areas: all, {', '.join(AREAS)}"
)
_STATUS = Kind(Effect.INSTEAD, _API, "that status")


@dataclass(slots=True)
class Rule:
    """One kind of weather and its schedule.

    ``requests`` counts those that fit ``on``, ``sub`` and ``client``; ``seconds`` from when the rule was
    set; ``share`` is drawn from ``seed``, so the same requests in the same order meet the same weather.
    """

    kind: str
    effect: Effect
    on: tuple[str, ...]
    share: float = 1.0
    seed: int = 0
    requests: tuple[int, int] | None = None  # from 1, both ends in
    seconds: tuple[float, float] | None = None
    sub: str = ""
    client: str = ""
    retry_after_s: float | None = None
    delay_s: float | None = None
    fitting: int = 0
    fired: int = 0
    set_s: float = field(default_factory=time.monotonic)
    random: Random = field(default_factory=Random)

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Raises: UsageError: the text is no rule; says which word."""
        kind, *words = text.split()
        numbered = kind.isdecimal() and 400 <= int(kind) <= 599
        if kind not in KINDS and not numbered:
            raise UsageError(
                f"weather {text!r}: there is no kind {kind!r}",
                hint=f"a status from 400 to 599, or one of: {', '.join(KINDS)}",
            )
        what = KINDS.get(kind, _STATUS)
        rule = cls(kind, what.effect, what.areas)
        for word in words:
            rule._take(word, text)
        rule.random = Random(rule.seed)
        return rule

    def _take(self, word: str, text: str) -> None:
        key, _, value = word.partition("=")
        try:
            match key:
                case "share" if 0 <= float(value) <= 1:
                    self.share = float(value)
                case "seed":
                    self.seed = int(value)
                case "requests":
                    first, _, last = value.partition("-")
                    self.requests = int(first), int(last or first)
                case "seconds":
                    start, _, end = value.partition("-")
                    self.seconds = float(start), float(end or "inf")
                case "on" if value == "all" or set(value.split(",")) <= set(AREAS):
                    self.on = AREAS if value == "all" else tuple(value.split(","))
                case "sub" if value:
                    self.sub = value.removeprefix("r/").lower()
                case "client" if value:
                    self.client = value
                case "retry-after" if self.kind == "429":
                    self.retry_after_s = float(value)
                case "delay" if self.kind in ("slow", "timeout"):
                    self.delay_s = float(value)
                case _:
                    raise ValueError
        except ValueError:
            raise UsageError(f"weather {text!r}: {word!r} is not understood", hint=_WORDS) from None

    def fires(self, area: str, subreddit: str, client: str, now_s: float) -> bool:
        """Whether it befalls this request, which is counted."""
        if area not in self.on or (self.sub and self.sub != subreddit.lower()):
            return False
        if self.client and self.client != client:
            return False
        self.fitting += 1
        # Drawn whether or not the schedule lets it through: one rule's draws do not depend on its times.
        drawn = self.random.random() < self.share
        if self.requests and not self.requests[0] <= self.fitting <= self.requests[1]:
            return False
        if self.seconds and not self.seconds[0] <= now_s - self.set_s < self.seconds[1]:
            return False
        self.fired += drawn
        return drawn


class Weather:
    """The rules in force. Safe to change while requests are answered."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._random = Random(0)
        self.add(*rules)

    def add(self, *rules: str) -> None:
        """Set rules beside those in force; empty lines and what follows a ``#`` are passed over.

        Raises:
            UsageError: one of them is none; then none is added.
        """
        texts = (text.partition("#")[0].strip() for text in rules)
        parsed = [Rule.parse(text) for text in texts if text]
        with self._lock:
            self._rules += parsed

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def replace(self, *rules: str) -> None:
        """As :meth:`add`, instead of those in force."""
        fresh = Weather(rules)
        with self._lock:
            self._rules = fresh._rules

    def fired(self) -> dict[str, int]:
        """How many requests each kind befell."""
        counts: dict[str, int] = {}
        with self._lock:
            for rule in self._rules:
                counts[rule.kind] = counts.get(rule.kind, 0) + rule.fired
        return counts

    def over(self, area: str, subreddit: str, client: str, *, busy: bool) -> list[Rule]:
        """The rules that befall one request, at most one that takes the answer's place among them.

        ``busy``: the client has another morechildren on its way.
        """
        now_s = time.monotonic()
        chosen: list[Rule] = []
        with self._lock:
            for rule in self._rules:
                instead = rule.effect is Effect.INSTEAD
                if (rule.kind == "busy-more" and not busy) or (
                    instead and any(one.effect is Effect.INSTEAD for one in chosen)
                ):
                    continue
                if rule.fires(area, subreddit, client, now_s):
                    chosen.append(rule)
        return chosen

    def draw(self, count: int) -> int:
        """An index below ``count``, for what a kind leaves to chance."""
        with self._lock:
            return int(self._random.random() * count)
