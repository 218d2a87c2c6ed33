"""Subreddits and users as people write them: r/golang, u/spez, /r/golang, a URL, a node's id."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from urllib.parse import unquote

from redclust.db.connect import Connection
from redclust.errors import UsageError
from redclust.ops.graph.snapshot import NodeType, value
from redclust.sql import query

#: Longer than any name of Reddit's: comparing is quadratic in the length.
_COMPARABLE_CHARACTERS = 60
_SUGGESTIONS = 3

_URL = re.compile(r"(?:https?://)?(?:[\w-]+\.)*reddit\.com(/[^?#]*)?", re.IGNORECASE)
_PREFIXED = re.compile(r"/?(r|u|user)/(.*)", re.IGNORECASE | re.DOTALL)
_NODE_ID = re.compile(r"(subreddit|user)_\d+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for: a name of one of ``types``, or a node by its id."""

    name: str
    types: tuple[NodeType, ...]
    node_id: str | None = None

    def __str__(self) -> str:
        return prefixed(self.name, self.types[0]) if len(self.types) == 1 else self.name


def prefixed(name: str, node_type: str) -> str:
    """A name as Reddit writes it; that of a post or comment is where Reddit has it."""
    return {"user": f"u/{name}", "subreddit": f"r/{name}"}.get(node_type, name)


def parse(text: str) -> Wanted:
    """Understand r/NAME, /r/NAME, u/NAME, user/NAME, a reddit URL, ``subreddit_12`` or a bare NAME.

    A bare name is a subreddit's, or a user's if there is no such subreddit.

    Raises:
        UsageError: there is no name in it.
    """
    # What the shell handed over in another encoding names nothing, but can be said in an error.
    text = text.encode(errors="replace").decode().strip()
    url = _URL.fullmatch(text.split("?")[0].split("#")[0])
    path = unquote(url[1] or "", errors="replace") if url else text
    match = _PREFIXED.fullmatch(path)
    if url and match is None:
        raise UsageError(f"{text} is the address of no subreddit or user", hint="redclust graph node r/NAME")
    if match is None:
        wanted = Wanted(text, ("subreddit", "user"), text if _NODE_ID.fullmatch(text) else None)
    else:
        name = match[2].split("/")[0] if url else match[2].rstrip("/")
        wanted = Wanted(name, ("subreddit",) if match[1].lower() == "r" else ("user",))
    if not wanted.name:
        raise UsageError("a name is missing", hint="redclust graph node r/NAME")
    return wanted


def unknown(connection: Connection, wanted: Wanted) -> UsageError:
    """Why a name is not in the graph, as far as the database knows, and which names are close to it."""
    message = f"{wanted} is not in the graph"
    if not value(connection, "holds_nodes"):
        return UsageError(f"{message}: the graph is empty", hint="redclust precalc computes it")
    name = {"name": wanted.name}
    if (
        "subreddit" in wanted.types
        and connection.execute(query("graph", "subreddit_outside"), name).fetchone()
    ):
        return UsageError(
            f"{message}, though the subreddit was imported",
            hint="redclust precalc brings it in, if people are active there",
        )
    user = None
    if "user" in wanted.types:
        user = connection.execute(query("graph", "user_outside"), name).fetchone()
    if user is not None:
        return UsageError(
            f"{message}, though the account was imported"
            + (f": it counts as a bot ({user[0]})" if user[0] else ""),
            hint="bots, and accounts in more subreddits than precalc.max_subreddits_per_user, are left out; "
            "redclust precalc brings people in",
        )
    close = _close_names(connection, wanted)
    if close:
        return UsageError(message, hint=f"did you mean {' or '.join(close)}?")
    return UsageError(message, hint="redclust graph top lists the biggest")


def _close_names(connection: Connection, wanted: Wanted) -> list[str]:
    typed = wanted.name.lower()
    if len(typed) > _COMPARABLE_CHARACTERS:
        return []
    parameters = {"name": wanted.name, "types": list(wanted.types)}
    candidates: dict[str, str] = {}
    rows: list[tuple[str, str]] = connection.execute(query("graph", "names_near"), parameters).fetchall()
    for name, node_type in sorted(rows, key=lambda row: (row[1], row[0])):
        if len(name) <= _COMPARABLE_CHARACTERS:
            candidates.setdefault(name.lower(), prefixed(name, node_type))
    begun = sorted(
        (name for name in candidates if name.startswith(typed)), key=lambda name: (len(name), name)
    )
    similar = difflib.get_close_matches(typed, sorted(candidates), n=_SUGGESTIONS)
    return [candidates[name] for name in dict.fromkeys([*begun, *similar])][:_SUGGESTIONS]
