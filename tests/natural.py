"""The imported tables by natural keys: what two databases must share to be the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zstandard

from redclust.db.session import Database

_TABLES = {
    "subreddits": "SELECT name, title, description, subscribers FROM subreddits",
    "users": "SELECT name, bot_reason FROM users",
    "posts": """
        SELECT p.id, s.name, u.name, p.score, p.created_at, p.retrieved_at, p.is_self, p.placeholder,
               p.title, p.selftext, p.url, p.flair
        FROM posts p JOIN subreddits s ON s.id = p.subreddit_id LEFT JOIN users u ON u.id = p.author_id""",
    "comments": """
        SELECT c.id, c.post_id, c.parent_id, s.name, u.name, c.score, c.created_at, c.retrieved_at, c.body
        FROM comments c JOIN subreddits s ON s.id = c.subreddit_id LEFT JOIN users u ON u.id = c.author_id""",
    "interactions": """
        SELECT f.fingerprint, u.name, s.name, i.n
        FROM imported_interactions i JOIN import_files f ON f.id = i.file_id
        JOIN users u ON u.id = i.user_id JOIN subreddits s ON s.id = i.subreddit_id""",
}


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted; for small databases."""
    with database.connect() as connection:
        return {
            name: sorted(connection.execute(statement).fetchall(), key=repr)  # type: ignore[arg-type]
            for name, statement in _TABLES.items()
        }


def digest(database: Database) -> dict[str, tuple[int, str]]:
    """Rows and a hash of each table, computed by the server; for large databases."""
    found: dict[str, tuple[int, str]] = {}
    with database.connect(bulk=True) as connection:
        for name, statement in _TABLES.items():
            row = connection.execute(
                f"SELECT count(*), COALESCE(sum(hashtextextended(t::text, 0))::text, '') FROM ({statement}) t"  # type: ignore[arg-type]
            ).fetchone()
            assert row is not None
            found[name] = (row[0], row[1])
    return found


def versions(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Each row's place and writing transaction: a row that was written again has others."""
    with database.connect(bulk=True) as connection:
        return {
            table: connection.execute(
                f"SELECT count(*), sum(hashtextextended(ctid::text || xmin::text, 0)) FROM {table}"  # type: ignore[arg-type]
            ).fetchall()
            for table in ("subreddits", "users", "posts", "comments", "imported_interactions")
        }


def write_dump(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as a .zst dump."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(text.encode()))
    return path


def comment(number: int, **changed: Any) -> dict[str, Any]:
    """One comment as dumps have it."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    identity = "c" + "".join(digits[number // 36**i % 36] for i in range(4))[::-1]
    row: dict[str, Any] = {
        "id": identity,
        "subreddit": "golang",
        "author": f"user{number % 7}",
        "link_id": f"t3_p{digits[number % 11]}",
        "parent_id": f"t3_p{digits[number % 11]}",
        "body": f"comment {number}",
        "created_utc": 1_600_000_000 + number,
        "retrieved_on": 1_600_100_000,
        "score": number % 5,
    }
    return {**row, **changed}


def submission(name: str, **changed: Any) -> dict[str, Any]:
    """One submission as dumps have it."""
    row: dict[str, Any] = {
        "id": name,
        "subreddit": "golang",
        "author": "poster",
        "title": f"post {name}",
        "selftext": "",
        "url": f"https://example.org/{name}",
        "is_self": False,
        "created_utc": 1_600_000_000,
        "retrieved_on": 1_600_100_000,
        "score": 1,
    }
    return {**row, **changed}
