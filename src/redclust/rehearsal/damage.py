"""What each kind of weather makes of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import orjson

from redclust.rehearsal import answers
from redclust.rehearsal.answers import Answer, Delivery
from redclust.rehearsal.site import Fate, Site, Standing
from redclust.rehearsal.weather import Rule

#: The way a thing is broken: given the thing, what stands in its place.
BREAKAGES: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda thing: None,
    lambda thing: {"kind": thing["kind"]},
    lambda thing: {"kind": thing["kind"], "data": ["not", "an", "object"]},
    lambda thing: {"kind": "t9", "data": thing["data"]},
    lambda thing: _without(thing, "id", "name"),
    lambda thing: _with(thing, id="not base 36!", name="t3_not base 36!"),
    lambda thing: _with(thing, created_utc="yesterday"),
    lambda thing: _with(thing, author={"name": "nested"}),
)
_ODD = ("null", "None", "", "nan", "-1", "1e99", "soon")
_FATES = {"delete": Fate.DELETED, "remove": Fate.REMOVED, "vanish": Fate.GONE}
_EMPTY: dict[str, Any] = {
    "kind": "Listing",
    "data": {"after": None, "before": None, "children": [], "dist": 0},
}
#: Longer than any client waits.
_FOR_EVER_S = 86_400.0

#: An index below a count, drawn.
Draw = Callable[[int], int]

_INSTEAD: dict[str, Callable[[Rule, str], Answer]] = {
    "401": lambda rule, sub: answers.unauthorized(),
    "expired": lambda rule, sub: answers.unauthorized(),
    "401-bare": lambda rule, sub: answers.unauthorized(explained=False),
    "429": lambda rule, sub: answers.too_many(rule.retry_after_s),
    "busy-more": lambda rule, sub: answers.too_many(None),
    "invalid-grant": lambda rule, sub: answers.as_json({"error": "invalid_grant"}),
    "login": lambda rule, sub: answers.redirect("/login?dest=%2F"),
    "blocked": lambda rule, sub: answers.page(403, "You've been blocked by network security."),
    "html": lambda rule, sub: answers.page(200, "Our CDN was unable to reach our servers."),
    "private": lambda rule, sub: answers.stands(Standing.PRIVATE, sub),
    "quarantined": lambda rule, sub: answers.stands(Standing.QUARANTINED, sub),
    "banned": lambda rule, sub: answers.stands(Standing.BANNED, sub),
    "missing": lambda rule, sub: answers.stands(Standing.MISSING, sub),
    "451": lambda rule, sub: answers.stands(Standing.LEGAL, sub),
    "timeout": lambda rule, sub: replace(_NOTHING, delay_s=rule.delay_s or _FOR_EVER_S),
    "drop": lambda rule, sub: replace(_NOTHING, delivery=Delivery.DROP),
}
_NOTHING = Answer(504, b"", delivery=Delivery.NEVER)


def _with(thing: dict[str, Any], **changed: object) -> dict[str, Any]:
    return {**thing, "data": {**thing["data"], **changed}}


def _without(thing: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {**thing, "data": {key: value for key, value in thing["data"].items() if key not in keys}}


def instead(rule: Rule, subreddit: str) -> Answer:
    """The answer that comes in place of the right one."""
    if rule.kind in _INSTEAD:
        return _INSTEAD[rule.kind](rule, subreddit)
    status = int(rule.kind)
    return answers.page(status, "Try again.") if status >= 500 else answers.refusal(status)


def beside(rule: Rule, answer: Answer, draw: Draw) -> tuple[Answer, str]:
    """The right answer, damaged; and the full name of the thing that was, empty where none was."""
    hit = ""
    match rule.kind:
        case "half":
            answer = replace(answer, delivery=Delivery.HALF)
        case "slow":
            answer = replace(answer, delay_s=rule.delay_s or 1.0)
        case "empty":
            answer = _emptied(answer)
        case "null-author":
            answer, hit = _damaged(answer, draw, lambda thing: _with(thing, author=None))
        case "broken-item":
            answer, hit = _damaged(answer, draw, BREAKAGES[draw(len(BREAKAGES))])
        case _:
            answer = replace(answer, headers=_headers(rule.kind, answer, draw))
    return answer, hit


def afterwards(rule: Rule, site: Site, answer: Answer, draw: Draw) -> str:
    """Let something happen to a thing of a page that was just served; returns its full name."""
    if answer.status != 200 or not answer.body:
        return ""
    names = [thing["data"]["name"] for _, _, thing in _things(orjson.loads(answer.body))]
    known = [name for name in names if name in site.post_at or name in site.comment_at]
    if not known:
        return ""
    name = known[draw(len(known))]
    if rule.kind == "edit":
        site.edit(name, f"edited, and edited again {draw(1_000)}")
    elif rule.kind == "vote":
        site.vote(name, draw(10_000) - 100)
    else:
        site.end(name, _FATES[rule.kind])
    return name


def _emptied(answer: Answer) -> Answer:
    if answer.status != 200:
        return answer
    content = orjson.loads(answer.body)
    # The comments of a post come after the post.
    return replace(answer, body=orjson.dumps([content[0], _EMPTY] if isinstance(content, list) else _EMPTY))


def _damaged(answer: Answer, draw: Draw, change: Callable[[dict[str, Any]], Any]) -> tuple[Answer, str]:
    if answer.status != 200:
        return answer, ""
    content = orjson.loads(answer.body)
    things = _things(content)
    if not things:
        return answer, ""
    siblings, index, thing = things[draw(len(things))]
    siblings[index] = change(thing)
    return replace(answer, body=orjson.dumps(content)), thing["data"]["name"]


def _things(content: Any) -> list[tuple[list[Any], int, dict[str, Any]]]:
    """The posts and comments of an answer that nothing hangs below, each with where it stands."""
    if isinstance(content, list):
        content = cast("list[Any]", content)[1]
    waiting: list[list[Any]] = [
        content["json"]["data"]["things"] if "json" in content else content["data"].get("children", [])
    ]
    found: list[tuple[list[Any], int, dict[str, Any]]] = []
    while waiting:
        siblings = waiting.pop()
        for index, thing in enumerate(siblings):
            if thing["kind"] == "more":
                continue
            replies = thing["data"].get("replies")
            if replies:
                waiting.append(replies["data"]["children"])
            else:
                found.append((siblings, index, thing))
    return found


def _headers(kind: str, answer: Answer, draw: Draw) -> tuple[tuple[str, str], ...]:
    def changed(name: str, value: str) -> str:
        return f"{float(value)}" if kind == "float-headers" else _ODD[draw(len(_ODD))]

    return tuple(
        (name, changed(name, value) if name.startswith("x-ratelimit-") else value)
        for name, value in answer.headers
        if kind != "no-headers" or not name.startswith("x-ratelimit-")
    )
