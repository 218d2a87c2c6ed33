"""The class of a failure, told from the exchange rather than from the exception.

prawcore raises KeyError for a 401 without ``www-authenticate``, ValueError for a ``retry-after`` that is a
date, TypeError or KeyError for JSON of another shape; the exchange says what it was.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redclust.errors import RedditRefused
from redclust.reddit.exchange import Exchange
from redclust.reddit.failures import (
    Blocked,
    CredentialsRefused,
    RateLimited,
    Retryable,
    Unavailable,
    Verdict,
)

#: What Reddit writes as the reason of a 403 or 404 that is about one subreddit.
_REASONS = {
    "private": Verdict.PRIVATE,
    "gold_only": Verdict.PRIVATE,
    "quarantined": Verdict.QUARANTINED,
    "banned": Verdict.BANNED,
}
_BLOCKED = ("network security", "blocked by", "request has been blocked")


def failure(exchange: Exchange) -> RedditRefused:
    """What an exchange that did not give what was asked for comes to."""
    if exchange.status == 429:
        retry_at = datetime.now(UTC) + timedelta(seconds=exchange.headers.halt_s(refused=True) or 5)
        return RateLimited(
            f"Reddit refuses more requests for now (429 to {exchange.path})",
            hint="all crawlers of this client id are halted until Reddit's time; is it used elsewhere too?",
            retry_at=retry_at,
        )
    if exchange.server_failed:
        return Retryable(f"Reddit failed at {exchange.path}: {exchange.server_failed}")
    if exchange.status == 403 and _is_blocked(exchange):
        return Blocked(
            "Reddit's network security blocks this machine or user agent (403)",
            hint="check REDDIT_USER_AGENT and that the app is approved; import and rehearse need no Reddit",
        )
    if exchange.grant:
        return _of_token(exchange)
    return _of_content(exchange)


def _is_blocked(exchange: Exchange) -> bool:
    words = f"{exchange.begins} {exchange.said('message')}".lower()
    return exchange.html or any(words_of_it in words for words_of_it in _BLOCKED)


def _of_token(exchange: Exchange) -> RedditRefused:
    error = exchange.said("error")
    if exchange.status == 401 or error in ("invalid_client", "unauthorized_client"):
        return CredentialsRefused(
            f"Reddit refuses the client id or its secret ({exchange.status} for a token)",
            hint="compare REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET with https://www.reddit.com/prefs/apps; "
            "an app that Reddit has not approved is refused too",
        )
    # A wrong refresh token is a bare 400, or 200 with an error.
    if error == "invalid_grant" or (exchange.grant == "refresh_token" and exchange.status == 400):
        return CredentialsRefused(
            f"Reddit refuses the refresh token ({error or exchange.status})",
            hint="it was revoked, or belongs to another client id: make a new one, or leave "
            "reddit.refresh_token empty to read as the app itself",
        )
    if exchange.status is not None and (exchange.status >= 400 or error):
        return CredentialsRefused(
            f"Reddit gives no token ({exchange.status}{', ' + error if error else ''})",
            hint="the kind of app must fit: a script or web app with a secret",
        )
    return Retryable(f"Reddit's answer to the request for a token is not understood ({exchange.status})")


def _of_content(exchange: Exchange) -> RedditRefused:
    status, path = exchange.status, exchange.path
    if status == 401:
        return CredentialsRefused(
            f"Reddit refuses fresh tokens (401 to {path})",
            hint="is the app still approved, and does it allow this? https://www.reddit.com/prefs/apps",
        )
    if status == 403 and exchange.scope_missing:
        return CredentialsRefused(
            f"the refresh token does not allow to read {path} (insufficient scope)",
            hint="make one with the scopes read and history, or leave reddit.refresh_token empty",
        )
    if (verdict := _verdict(exchange)) is not None:
        return Unavailable(verdict, path)
    if status in (301, 302):
        return Retryable(f"Reddit sends {path} elsewhere ({status} to {exchange.location or 'nowhere'})")
    return Retryable(f"Reddit's answer to {path} is not understood ({status}): {exchange.begins!r}")


def _verdict(exchange: Exchange) -> Verdict | None:
    told = _REASONS.get(exchange.said("reason"))
    match exchange.status:
        case 403:
            return told or Verdict.PRIVATE
        case 404:
            return told or Verdict.MISSING
        case 451:
            return Verdict.LEGAL
        case 301 | 302 if exchange.location.startswith("/subreddits/search"):
            return Verdict.MISSING
        case _:
            return None
