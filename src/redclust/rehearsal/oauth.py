"""Who may ask: client ids with their secrets, refresh tokens, and the access tokens they are given."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "rehearsal-client", "rehearsal-secret", "rehearsal-refresh-token"
_INSTALLED = "https://oauth.reddit.com/grants/installed_client"


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``number`` counts them, so that a log can tell processes apart without secrets."""

    number: int
    client: str
    user: str  # "": app-only
    expires_s: float  # time.monotonic


@dataclass(slots=True)
class Clients:
    """The known clients. ``life_s`` is how long a token lives, told to the client in whole seconds."""

    secrets: dict[str, str] = field(default_factory=lambda: {CLIENT_ID: CLIENT_SECRET})
    refresh_tokens: dict[str, str] = field(default_factory=lambda: {REFRESH_TOKEN: "rehearsal_user"})
    life_s: float = 86_400
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    granted: int = 0

    def client_of(self, authorization: str) -> str | None:
        """The client of a ``Basic`` header, None where id or secret is wrong."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return client if scheme.lower() == "basic" and self.secrets.get(client) == secret else None

    def grant(self, client: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request for a token: status and body, as Reddit has them."""
        kind = form.get("grant_type", "")
        user = ""
        if kind == "refresh_token":
            if form.get("refresh_token", "") not in self.refresh_tokens:
                return 400, {"message": "Bad Request", "error": 400}
            user = self.refresh_tokens[form["refresh_token"]]
        elif kind not in ("client_credentials", _INSTALLED):
            return 200, {"error": "unsupported_grant_type"}
        now_s = time.monotonic()
        self.tokens = {text: token for text, token in self.tokens.items() if token.expires_s > now_s}
        self.granted += 1
        text = token_urlsafe(24)
        self.tokens[text] = Token(self.granted, client, user, now_s + self.life_s)
        answer = {"access_token": text, "token_type": "bearer", "expires_in": int(self.life_s), "scope": "*"}
        return 200, {**answer, **({"refresh_token": form["refresh_token"]} if user else {})}

    def token_of(self, authorization: str) -> Token | None:
        """The living token of a ``bearer`` header."""
        scheme, _, text = authorization.partition(" ")
        token = self.tokens.get(text) if scheme.lower() == "bearer" else None
        return token if token and token.expires_s > time.monotonic() else None

    def expire(self, client: str) -> None:
        """End every token of a client before its time."""
        self.tokens = {text: token for text, token in self.tokens.items() if token.client != client}
