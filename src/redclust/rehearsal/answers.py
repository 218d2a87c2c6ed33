"""Answers and refusals, worded as Reddit words them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import orjson

from redclust.rehearsal.site import Standing

JSON, HTML = "application/json; charset=UTF-8", "text/html; charset=utf-8"


class Delivery(StrEnum):
    """How much of an answer leaves."""

    WHOLE = "whole"
    HALF = "half"  # all of the head, half of the body, then the connection is closed
    DROP = "drop"  # nothing, the connection is closed
    NEVER = "never"  # nothing, the connection stays open for ``delay_s`` or until the client leaves


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = field(default=())
    delivery: Delivery = Delivery.WHOLE
    delay_s: float = 0.0


REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def reason(status: int) -> str:
    return REASONS.get(status, "Unknown")


def as_json(content: Any, status: int = 200, *headers: tuple[str, str]) -> Answer:
    return Answer(status, orjson.dumps(content), JSON, headers)


def refusal(status: int, *headers: tuple[str, str], **more: object) -> Answer:
    """A status with the little JSON that Reddit sends along."""
    return as_json({**more, "message": reason(status), "error": status}, status, *headers)


def page(status: int, text: str) -> Answer:
    """HTML, as Reddit's front servers send it where JSON was asked for."""
    title = f"{status} {reason(status)}" if status != 200 else "reddit.com: over 18?"
    html = f"<!doctype html><html><head><title>{title}</title></head><body>{text}</body></html>"
    return Answer(status, html.encode(), HTML)


def unauthorized(*, explained: bool = True) -> Answer:
    """401; ``explained`` has the www-authenticate header that prawcore needs to name the error."""
    header = ("www-authenticate", 'Bearer realm="reddit", error="invalid_token"')
    return refusal(401, *([header] if explained else []))


def too_many(retry_after_s: float | None) -> Answer:
    return refusal(429, *([] if retry_after_s is None else [("retry-after", f"{retry_after_s:g}")]))


def redirect(location: str) -> Answer:
    return Answer(302, b"", HTML, (("location", location),))


def stands(standing: Standing, subreddit: str) -> Answer:
    """What is answered below ``/r/NAME`` where the subreddit does not show itself."""
    match standing:
        case Standing.PRIVATE:
            return refusal(403, reason="private")
        case Standing.QUARANTINED:
            message = "It is not what most people want to see."
            return refusal(403, reason="quarantined", quarantine_message=message)
        case Standing.BANNED:
            return refusal(404, reason="banned")
        case Standing.LEGAL:
            return refusal(451, reason="legal")
        case Standing.MISSING:
            return redirect(f"/subreddits/search?q={quote(subreddit)}")
        case Standing.OPEN:
            raise ValueError("an open subreddit answers by itself")
