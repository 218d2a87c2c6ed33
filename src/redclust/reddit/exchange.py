"""One request to Reddit and what came back, as far as failures are told from it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from requests import Response

from redclust.reddit.headers import RateHeaders

_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Exchange:
    """``status`` is None where no whole answer came, and ``lost`` says why; ``told`` is the JSON body."""

    path: str
    #: Which grant it asked a token for; empty where it asked for anything of Reddit's content.
    grant: str
    status: int | None
    lost: str = ""
    headers: RateHeaders = field(default_factory=RateHeaders)
    location: str = ""
    html: bool = False
    #: ``www-authenticate`` says that the token does not reach so far.
    scope_missing: bool = False
    told: object = None
    begins: str = ""

    @classmethod
    def of(cls, path: str, grant: str, response: Response) -> Exchange:
        body = response.content
        html = body.lstrip()[:1] == b"<"
        told: object = None
        # Only answers that are not what was asked for are looked into.
        if not html and (response.status_code >= 300 or grant):
            with suppress(ValueError):
                told = json.loads(body)
        return cls(
            path=path,
            grant=grant,
            status=response.status_code,
            headers=RateHeaders.of(response.headers),
            location=urlsplit(response.headers.get("location", "")).path,
            html=html,
            scope_missing="insufficient_scope" in response.headers.get("www-authenticate", ""),
            told=None if grant and response.status_code == 200 and "error" not in _keys(told) else told,
            begins="" if grant else body[:_SHOWN_CHARS].decode(errors="replace"),
        )

    @property
    def server_failed(self) -> str | None:
        """In a word why this counts against the server; None where it answered, whatever it said."""
        if self.status is None:
            return self.lost
        if self.status >= 500 or self.status == 408:
            return str(self.status)
        if self.status < 300 and self.html:
            return f"HTML with status {self.status}"
        return None

    def said(self, key: str) -> str:
        """A text of the JSON body, as ``reason`` or ``error``; empty where there is none."""
        value = _keys(self.told).get(key)
        return value if isinstance(value, str) else ""


def _keys(told: object) -> dict[str, Any]:
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}
