"""All that comments refer to, looked up in one pass over them.

A pass costs more than the looking up: four checks that go through ten million comments each took thirteen
times as long as counting them, together they take a third of that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from psycopg import errors as pg
from psycopg import sql

from redclust.ops.integrity.finding import Found, Look
from redclust.ops.integrity.members import Members
from redclust.sql import query

#: The checks that one pass answers.
ONE_PASS = (
    "comment_post_missing",
    "comment_subreddit_missing",
    "comment_author_missing",
    "comment_subreddit_differs",
)
_BLOCK_PAGES = 2000
_SEEN = np.dtype([("bytes", ">i4"), ("id", ">i8")])
#: What ends the pass, and perhaps not each of its checks: a page that cannot be read, a table without rights.
_NOT_TOGETHER = (pg.InternalError, pg.DataError, pg.InsufficientPrivilege)


def answer(look: Look, name: str) -> Found | None:
    """What a check finds where it is known from a pass for several; None where it must look by itself."""
    if name == "comment_parent_missing":
        return Found() if _all_seen_are_there(look) else None
    if name not in ONE_PASS:
        return None
    if name not in look.answers:
        look.answers.update(dict.fromkeys(ONE_PASS))
        try:
            with look.moment.connection.transaction():
                look.answers.update(_pass(look) or {})
        except _NOT_TOGETHER:
            return None
    return look.answers[name]


def _pass(look: Look) -> Mapping[str, Found] | None:
    sets = {table: look.moment.members(table, look.task) for table in ("users", "subreddits")}
    posts = look.moment.members("posts", look.task)
    values = look.values()
    for table, of_one in (("users", "user"), ("subreddits", "subreddit")):
        bits = _bits(sets[table])
        if bits is None:
            return None
        values |= {table: bits, f"highest_{of_one}": len(bits) * 8 - 1}
    by_sets = posts is not None and posts.values is not None
    if posts is not None and by_sets:
        values |= posts.parameters(of_values=True)
    look.task.note("what comments refer to")
    wrong = sql.SQL(query("integrity", "comments_wrong_by_sets" if by_sets else "comments_wrong_by_join"))
    told = sql.SQL(query("integrity", "comments_told_apart")).format(wrong=wrong)
    rows: dict[str, int] = dict.fromkeys(ONE_PASS, 0)
    keys: dict[str, list[str]] = {name: [] for name in ONE_PASS}
    for name, key, count in look.moment.connection.execute(told, values):
        rows[name] = count
        keys[name].append(key)
    return {name: Found(rows[name], tuple(keys[name])) for name in ONE_PASS}


def _bits(members: Members | None) -> bytes | None:
    # The server looks at a bit at least.
    return None if members is None else members.from_zero() or None


def _all_seen_are_there(look: Look) -> bool:
    """Whether every comment that a crawl has seen is there; False too where that is not told by bits."""
    connection = look.moment.connection
    size = connection.execute(query("integrity", "pages_of"), {"table": "post_looks"}).fetchone()
    comments: Members | None = None
    for start in range(0, int(size[0]) if size else 0, _BLOCK_PAGES):
        values = {"first": f"({start},0)", "last": f"({start + _BLOCK_PAGES},0)"}
        row = connection.execute(query("integrity", "looks_block"), values, binary=True).fetchone()
        seen = np.frombuffer(row[0] if row and row[0] is not None else b"", _SEEN)["id"].astype(np.int64)
        if not len(seen):
            continue
        comments = comments or look.moment.members("comments", look.task)
        if comments is None or not comments.contain(seen).all():
            return False
    return True
