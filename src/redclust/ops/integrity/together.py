"""All that comments refer to, looked up in one pass over them.

A pass costs more than the looking up: four checks that go through ten million comments each took thirteen
times as long as counting them, together they take half of that, and a quarter where nothing is wrong.
"""

from __future__ import annotations

from typing import Any

from psycopg import sql

from redclust.ops.integrity import seen
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
#: What it is said to look at.
_NOTE = "what comments refer to"


def answer(moment: Moment, name: str, task: Task, *, samples: int) -> tuple[int, tuple[str, ...]] | None:
    """How many rows a check finds and their first keys; None where it must look by itself."""
    if name == PARENT:
        return (0, ()) if seen.are_there(moment, task) else None
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
        if _stage(moment, task) or _pass(moment, task, "stage_wrong_comments") is not None:
            moment.passed.add("staged")
    return "staged" in moment.passed


def staged(name: str) -> sql.Composed:
    """What a check finds, as :func:`stage` has kept it."""
    return sql.SQL(query("integrity", "wrong_comments")).format(fault=sql.Identifier(ONE_PASS[name]))


def _faultless(moment: Moment, task: Task) -> bool:
    """Whether one pass finds nothing wrong with what comments refer to; what it tells of those seen is kept.

    Most of the time nothing is wrong, and counting costs half of what listing does.
    """
    try:
        with moment.connection.transaction():
            values = _sets(moment, task)
            if values is None or "posts" not in values:
                return False
            sought = seen.seek(moment, task)
            values |= sought.parameters() if sought else {"seen": None, "seen_pages": None}
            task.note(_NOTE)
            row = moment.connection.execute(query("integrity", "comments_counted"), values).fetchone()
    except seen.CANNOT:
        return False
    faults, rows, total = row or (1, 0, None)
    if sought:
        sought.compare(moment, rows, total)
    return faults == 0


def _stage(moment: Moment, task: Task) -> bool:
    """Keep what is wrong, with few steps a row; False where that cannot be told so."""
    try:
        with moment.connection.transaction():
            values = _sets(moment, task)
            if values is None or "posts" not in values:
                return False
            task.note(_NOTE)
            moment.connection.execute(query("integrity", "stage_sets"))
            moment.connection.execute(query("integrity", "store_sets_plainly"))
            moment.connection.execute(query("integrity", "fill_sets"), values)
            moment.connection.execute(query("integrity", "stage_wrong_comments_by_sets"))
    except seen.CANNOT:
        return False
    return True


def _pass(moment: Moment, task: Task, name: str, **values: object) -> list[tuple[object, object, int]] | None:
    """Look everything up for this query; its rows, none where it gives none, or None where it could not."""
    try:
        with moment.connection.transaction():
            sets = _sets(moment, task)
            if sets is None:
                return None
            task.note(_NOTE)
            looked = sql.SQL(
                query("integrity", f"comments_looked_by_{'sets' if 'posts' in sets else 'join'}")
            )
            cursor = moment.connection.execute(
                sql.SQL(query("integrity", name)).format(looked=looked), values | sets
            )
            return cursor.fetchall() if cursor.description else []
    except seen.CANNOT:
        return None


def _sets(moment: Moment, task: Task) -> dict[str, Any] | None:
    """Users and subreddits as bits from 0 on, and the subreddits of posts; without where that is too large.

    None where users or subreddits are too far apart.
    """
    values = dict[str, Any]()
    for table in ("users", "subreddits"):
        found = moment.members(table, task)
        bits = found.from_zero() if found else None
        # A subreddit 0 would be taken for that of a post that is not there.
        if not bits or (table == "subreddits" and bits[0] & 1):
            return None
        values |= {table: bits, f"highest_{table[:-1]}": len(bits) * 8 - 1}
    posts = moment.members("posts", task)
    if posts is not None and posts.values is not None:
        values |= {**posts.parameters(of_values=True), "posts": posts.places(of_values=True)}
    return values
