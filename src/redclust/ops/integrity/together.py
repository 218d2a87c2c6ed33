"""All that comments refer to, looked up in one pass over them.

A pass costs more than the looking up: four checks that go through ten million comments each took thirteen
times as long as counting them, together they take half of that, and a quarter where nothing is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from psycopg import errors as pg
from psycopg import sql

from redclust.ops.integrity import members
from redclust.ops.integrity.members import Members
from redclust.ops.integrity.moment import Moment
from redclust.report import Task
from redclust.sql import query

#: The checks that one pass answers, and what it calls their faults.
ONE_PASS = {
    "comment_post_missing": "no_post",
    "comment_subreddit_missing": "no_subreddit",
    "comment_author_missing": "no_author",
    "comment_subreddit_differs": "elsewhere",
}
PARENT = "comment_parent_missing"
_BLOCK_PAGES = 2000
_SEEN = np.dtype([("bytes", ">i4"), ("id", ">i8")])
#: The first id that has no sum.
_TOO_LARGE = 2**43
#: The share of all comments from which on those seen are held against all.
_NEARLY_ALL = 0.95
_SEEN_ARE_THERE = "all seen are there"
_SEEN_NOTE = "comments that crawls have seen"
#: What ends the pass, and perhaps not each of its checks: a page that cannot be read, a table without rights.
_NOT_TOGETHER = (pg.InternalError, pg.DataError, pg.InsufficientPrivilege)


def answer(moment: Moment, name: str, task: Task, *, samples: int) -> tuple[int, tuple[str, ...]] | None:
    """How many rows a check finds and their first keys; None where it must look by itself."""
    if name == PARENT:
        return (0, ()) if all_seen_are_there(moment, task) else None
    if name in ONE_PASS and name not in moment.passed:
        moment.passed.update(ONE_PASS)
        if _faultless(moment, task):
            moment.answers.update(dict.fromkeys(ONE_PASS, (0, ())))
        else:
            told = _pass(moment, task, "comments_told_apart", samples=samples)
            for one in ONE_PASS if told is not None else ():
                found = [(key, rows) for of_check, key, rows in told or () if of_check == one]
                moment.answers[one] = (found[0][1] if found else 0, tuple(str(key) for key, _ in found))
    return moment.answers.get(name)


def stage(moment: Moment, task: Task) -> bool:
    """Keep what is wrong with comments in a temporary table, once; False where each step must look itself."""
    if "stage" not in moment.passed:
        moment.passed.add("stage")
        if _faultless(moment, task):
            moment.connection.execute(query("integrity", "stage_no_comments"))
            moment.passed.add("staged")
        elif _pass(moment, task, "stage_wrong_comments") is not None:
            moment.passed.add("staged")
    return "staged" in moment.passed


def staged(name: str) -> sql.Composed:
    """What a check finds, as :func:`stage` has kept it."""
    return sql.SQL(query("integrity", "wrong_comments")).format(fault=sql.Identifier(ONE_PASS[name]))


def all_seen_are_there(moment: Moment, task: Task) -> bool:
    """Whether every comment that a crawl has seen is there; False too where that is not told by bits.

    Sums over ids are compared: one that stands twice hides none that is gone.
    """
    if _SEEN_ARE_THERE in moment.passed:
        return True
    try:
        with moment.connection.transaction():
            seen = _seen(moment, task)
            if seen is None or not seen.distinct:
                return seen is not None
            values = {"seen": seen.bits, "seen_pages": seen.places()}
            row = moment.connection.execute(query("integrity", "seen_comments"), values).fetchone()
    except _NOT_TOGETHER:
        return False
    return row == (seen.checksum(),)


def _faultless(moment: Moment, task: Task) -> bool:
    """Whether one pass finds nothing wrong with what comments refer to; what it tells of those seen is kept.

    Most of the time nothing is wrong, and counting costs half of what listing does.
    """
    try:
        with moment.connection.transaction():
            values = _sets(moment, task)
            posts = moment.members("posts", task)
            if values is None or posts is None or posts.values is None:
                return False
            values |= {"values": posts.values, "posts": posts.places(of_values=True)}
            task.note(_SEEN_NOTE)
            seen = moment.connection.execute(query("integrity", "seen_sum")).fetchone()
            rows, total, about = seen or (0, None, 0)
            # Where crawls have seen nearly all, the sum over all of them tells enough.
            among = None if rows >= _NEARLY_ALL * about else _seen(moment, task)
            if among is not None:
                total = among.checksum()
            values |= {"seen": among and among.bits, "seen_pages": among and among.places()}
            task.note("what comments refer to")
            counted = moment.connection.execute(query("integrity", "comments_counted"), values).fetchone()
    except _NOT_TOGETHER:
        return False
    if counted is None:
        return False
    if not rows or (counted[2] == total and (among is not None or counted[1] == rows)):
        moment.passed.add(_SEEN_ARE_THERE)
    return counted[0] == 0


def _sets(moment: Moment, task: Task) -> dict[str, Any] | None:
    """Users and subreddits as bits from 0 on; None where they are too far apart."""
    values = dict[str, Any]()
    for table in ("users", "subreddits"):
        found = moment.members(table, task)
        bits = found.from_zero() if found else None
        # A subreddit 0 would be taken for that of a post that is not there.
        if not bits or (table == "subreddits" and bits[0] & 1):
            return None
        values[table] = bits
    return values


def _pass(moment: Moment, task: Task, name: str, **values: object) -> list[tuple[object, object, int]] | None:
    """Look everything up for this query; its rows, none where it gives none, or None where it could not."""
    try:
        with moment.connection.transaction():
            sets = _sets(moment, task)
            if sets is None:
                return None
            values |= sets
            values |= {f"highest_{table[:-1]}": len(bits) * 8 - 1 for table, bits in sets.items()}
            posts = moment.members("posts", task)
            by_sets = posts is not None and posts.values is not None
            if posts is not None and by_sets:
                values |= posts.parameters(of_values=True)
            task.note("what comments refer to")
            looked = sql.SQL(query("integrity", f"comments_looked_by_{'sets' if by_sets else 'join'}"))
            cursor = moment.connection.execute(
                sql.SQL(query("integrity", name)).format(looked=looked), values
            )
            return cursor.fetchall() if cursor.description else []
    except _NOT_TOGETHER:
        return None


def _seen(moment: Moment, task: Task) -> Members | None:
    """The comments that crawls have seen; None where they cannot be held as bits, or have no sum."""
    task.note(_SEEN_NOTE)
    size = moment.connection.execute(query("integrity", "pages_of"), {"table": "post_looks"}).fetchone()
    found = members.Growing()
    for start in range(0, int(size[0]) if size else 0, _BLOCK_PAGES):
        values = {"first": f"({start},0)", "last": f"({start + _BLOCK_PAGES},0)"}
        row = moment.connection.execute(query("integrity", "looks_block"), values, binary=True).fetchone()
        rows = np.frombuffer(row[0] if row and row[0] is not None else b"", _SEEN)
        if len(rows) and (int(rows["id"].max()) >= _TOO_LARGE or not found.add(rows)):
            return None
    return found.members()
