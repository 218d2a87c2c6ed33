"""Names of subreddits as people write them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from redclust.errors import UsageError

#: What Reddit lets a subreddit be called; ``u_NAME`` are users' profiles, whose names may hold a hyphen.
SUBREDDIT = r"(?:[uU]_[A-Za-z0-9_-]{3,20}|[A-Za-z0-9][A-Za-z0-9_]{1,20})"
#: What Reddit lets a user be called.
USER = r"[A-Za-z0-9_-]{3,20}"
#: Listings over many subreddits, not subreddits.
NOT_SUBREDDITS = frozenset({"all", "popular", "friends", "mod", "random", "randnsfw", "mine", "dashboard"})

_HOSTS = re.compile(r"(?:.+\.)?reddit\.com|redd\.it")

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """An id as Reddit writes it."""
    written = ""
    while number:
        number, digit = divmod(number, 36)
        written = _DIGITS[digit] + written
    return written or "0"


def subreddit_name(text: str) -> str:
    """The name in ``golang``, ``r/golang``, ``/r/golang/``, or the address of anything inside it.

    Raises:
        UsageError: it is no name of a subreddit; says why.
    """
    return _name(text, "r", SUBREDDIT, "subreddit", "golang, r/golang or https://www.reddit.com/r/golang")


def user_name(text: str) -> str:
    """The name in ``spez``, ``u/spez``, ``/user/spez``, or the address of anything of that user.

    Raises:
        UsageError: it is no name of a user.
    """
    return _name(text, "u(?:ser)?", USER, "user", "spez, u/spez or https://www.reddit.com/user/spez")


def _name(text: str, prefix: str, allowed: str, what: str, examples: str) -> str:
    written = text.strip()
    path = written
    if re.match(r"(?i)(?:https?://|(?:www|old|new)\.|reddit\.com/)", written):
        told = urlsplit(written if "://" in written else f"https://{written}")
        if not _HOSTS.fullmatch((told.hostname or "").lower()):
            raise UsageError(f"{text!r} is not an address at Reddit", hint=f"write {examples}")
        path = told.path
        if not re.match(rf"(?i)/{prefix}/", path):
            raise UsageError(f"{text!r} names no {what}", hint=f"write {examples}")
    found = re.fullmatch(rf"(?i)(?:/?{prefix}/)?([^/]+)(/.*)?", path)
    name = found.group(1) if found else ""
    # What follows a name is part of an address, or nothing.
    whole = found is not None and (path != written or found.group(2) in (None, "/"))
    if not whole or not re.fullmatch(allowed, name):
        raise UsageError(f"{text!r} is not the name of a {what}", hint=f"write {examples}")
    if what == "subreddit" and name.lower() in NOT_SUBREDDITS:
        raise UsageError(f"r/{name} is a listing over many subreddits, not one", hint=f"write {examples}")
    return name
