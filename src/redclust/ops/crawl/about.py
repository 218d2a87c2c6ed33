"""A subreddit's own fields, as columns; what is of another shape is left empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_INT_MAX = 2**31 - 1


def described(about: Mapping[str, Any]) -> dict[str, Any]:
    """Title, description, subscribers and creation, NULL where Reddit says nothing that fits."""
    return {
        "title": _text(about.get("title")),
        "description": _text(about.get("public_description")),
        "subscribers": _count(about.get("subscribers")),
        "created_at": _time(about.get("created_utc")),
    }


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    # Neither NUL nor half a surrogate pair can be stored.
    return value.encode(errors="replace").decode().replace("\0", "")


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _INT_MAX:
        return None
    return int(value)


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 2**33:
        return None
    return datetime.fromtimestamp(value, UTC)
