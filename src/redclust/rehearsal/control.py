"""The way to ask and change a rehearsal from outside its process: ``/rehearsal/…`` on the same port.

``GET /rehearsal`` says how it stands; ``GET /rehearsal/requests?since=N&client=ID`` is the log, a line of
JSON each; ``GET /rehearsal/world`` has the planted communities. ``PUT /rehearsal/weather`` takes rules, a
line each, instead of those in force; ``POST`` adds them. ``POST /rehearsal/change`` takes JSON such as
``{"do": "vote", "name": "t3_1d5k", "score": 5}``. None of it is counted or logged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from redclust.errors import UsageError
from redclust.rehearsal import answers
from redclust.rehearsal.answers import Answer
from redclust.rehearsal.site import AccountFate, Fate, Site, Standing

if TYPE_CHECKING:
    from redclust.rehearsal.server import Rehearsal
    from redclust.rehearsal.wire import Asked

PREFIX = "/rehearsal"

#: What ``change`` can do, and what it answers with.
_CHANGES: dict[str, Callable[[Site, dict[str, Any]], object]] = {
    "delete": lambda site, a: site.end(a["name"], Fate.DELETED),
    "remove": lambda site, a: site.end(a["name"], Fate.REMOVED),
    "vanish": lambda site, a: site.end(a["name"], Fate.GONE),
    "edit": lambda site, a: site.edit(a["name"], a["text"]),
    "vote": lambda site, a: site.vote(a["name"], int(a["score"])),
    "submit": lambda site, a: site.submit(a["subreddit"], a["user"], a["title"], body=a.get("text", "")),
    "reply": lambda site, a: site.reply(a["name"], a["user"], a["text"]),
    "stand": lambda site, a: site.stand(a["subreddit"], Standing(a["standing"])),
    "end-account": lambda site, a: site.end_account(a["user"], AccountFate(a.get("fate", "deleted"))),
}


def answer(rehearsal: Rehearsal, asked: Asked) -> Answer:
    """Answer one request for a path that begins with ``PREFIX``; the caller holds the lock."""
    path, _, query = asked.target.removeprefix(PREFIX).partition("?")
    endpoint = _ENDPOINTS.get((asked.method, path.strip("/")))
    if endpoint is None:
        return answers.refusal(404)
    words = {name: values[-1] for name, values in parse_qs(query).items()}
    try:
        return endpoint(rehearsal, words, asked.body)
    except (UsageError, KeyError, ValueError, TypeError, AttributeError) as error:
        return answers.refusal(400, why=str(error))


def _state(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    return answers.as_json(state(rehearsal))


def _requests(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    found = rehearsal.ledger.since(int(words.get("since", "0")), words.get("client"))
    return Answer(200, b"".join(orjson.dumps(asdict(r)) + b"\n" for r in found), "application/x-ndjson")


def _world(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    world = rehearsal.site.world
    planted = {"communities": world.community_names, "subreddits": world.planted}
    return answers.as_json({"seed": world.seed, **planted})


def _set_weather(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    rehearsal.weather.replace(*body.decode().splitlines())
    return answers.as_json(rehearsal.weather.fired())


def _add_weather(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    rehearsal.weather.add(*body.decode().splitlines())
    return answers.as_json(rehearsal.weather.fired())


def _change(rehearsal: Rehearsal, words: dict[str, str], body: bytes) -> Answer:
    asked: dict[str, Any] = orjson.loads(body)
    return answers.as_json({"name": _CHANGES[asked["do"]](rehearsal.site, asked)})


_ENDPOINTS: dict[tuple[str, str], Callable[[Rehearsal, dict[str, str], bytes], Answer]] = {
    ("GET", ""): _state,
    ("GET", "requests"): _requests,
    ("GET", "world"): _world,
    ("PUT", "weather"): _set_weather,
    ("POST", "weather"): _add_weather,
    ("POST", "change"): _change,
}


def state(rehearsal: Rehearsal) -> dict[str, Any]:
    """How a rehearsal stands: what it serves, what was asked, what befell it."""
    ledger, site = rehearsal.ledger, rehearsal.site
    return {
        "url": rehearsal.url,
        "subreddits": len(site.places),
        "users": len(site.accounts),
        "posts": len(site.posts),
        "comments": len(site.comments),
        "requests": ledger.total,
        "requests_by_client": dict(ledger.counts),
        "requests_by_area": dict(Counter(r.area for r in ledger.kept)),
        "requests_by_status": {str(k): n for k, n in Counter(r.status for r in ledger.kept).items()},
        "waiting": len(ledger.waiting),
        "budget": {"requests": rehearsal.budget.requests, "window_s": rehearsal.budget.window_s},
        "weather": rehearsal.weather.fired(),
    }
