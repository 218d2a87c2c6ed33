"""Other subreddits that a page names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from redclust.reddit.names import NOT_SUBREDDITS

#: r/NAME, /r/NAME or an address at Reddit; not part of another path.
_MENTION = re.compile(
    r"(?:reddit\.com/|(?<![\w./-])/?)r/((?!u_)[A-Za-z0-9][A-Za-z0-9_]{2,20})(?![A-Za-z0-9_])", re.IGNORECASE
)
#: Not u_NAME, which is a profile.
_NAME = re.compile(r"(?![uU]_)[A-Za-z0-9][A-Za-z0-9_]{1,20}")


def mentioned(posts: Iterable[Mapping[str, Any]], comments: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Lower-case names in titles, texts and comments, each once a thing."""
    found: Counter[str] = Counter()
    texts = [(post.get("title"), post.get("selftext")) for post in posts]
    texts += [(comment.get("body"), None) for comment in comments]
    for parts in texts:
        found.update(
            {name.lower() for part in parts if isinstance(part, str) for name in _MENTION.findall(part)}
        )
    return Counter({name: n for name, n in found.items() if name not in NOT_SUBREDDITS})


def active_in(things: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Lower-case names of the subreddits where these things are, without profiles."""
    names = (thing.get("subreddit") for thing in things)
    return Counter(name.lower() for name in names if isinstance(name, str) and _NAME.fullmatch(name))
