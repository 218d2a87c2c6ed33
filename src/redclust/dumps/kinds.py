"""What a dump holds, by its first lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redclust.dumps import strict_json
from redclust.dumps.interactions import COLUMNS, split
from redclust.errors import ArtefactUnusable

#: So many lines may be broken before the content counts as unknown.
_LINES = 200
_SHOWN_CHARS = 60
_BOM = b"\xef\xbb\xbf"


class Kind(StrEnum):
    COMMENTS = "comments"
    SUBMISSIONS = "submissions"
    INTERACTIONS = "interactions"


@dataclass(frozen=True, slots=True)
class Content:
    """The kind; for a CSV the number of its header's line (from 0) and where each column stands in it."""

    kind: Kind
    header_line: int = -1
    order: tuple[int, ...] = ()


def detect(head: bytes, name: str) -> Content:
    """The content of a file by its first lines; ``name`` is what the error calls the file.

    Raises:
        ArtefactUnusable: none of the first lines is one that is understood.
    """
    first: str | None = None
    for number, line in enumerate(head.removeprefix(_BOM).split(b"\n")[:_LINES]):
        if not line.strip():
            continue
        keys = _keys(line)
        if keys is None and first is None and (order := _header(line)):
            return Content(Kind.INTERACTIONS, number, order)
        if keys is not None and (kind := _kind_of(keys)):
            return Content(kind)
        first = first or (_shown(line) if keys is None else f"JSON with the keys {', '.join(list(keys)[:8])}")
    if first is None:
        raise ArtefactUnusable(f"{name}: holds blank lines only")
    raise ArtefactUnusable(
        f"{name}: content not understood: found {first}",
        hint="understood: JSON lines of comments (with link_id and body) or of submissions (with title and "
        f"subreddit), and CSV with the header {','.join(COLUMNS)}",
    )


def _keys(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return strict_json.parse(line)
    except ValueError:
        return None


def _kind_of(keys: dict[str, Any]) -> Kind | None:
    if "link_id" in keys and "body" in keys:
        return Kind.COMMENTS
    # A subreddit has a title too, but names no subreddit.
    if "title" in keys and "subreddit" in keys:
        return Kind.SUBMISSIONS
    return None


def _header(line: bytes) -> tuple[int, ...] | None:
    try:
        fields = split(line.rstrip(b"\r"))
    except UnicodeDecodeError:
        return None
    names = [field.strip().lower() for field in fields or []]
    return tuple(names.index(column) for column in COLUMNS) if sorted(names) == sorted(COLUMNS) else None


def _shown(line: bytes) -> str:
    text = line[:_SHOWN_CHARS].decode(errors="replace")
    return "text that begins with " + repr(text)
