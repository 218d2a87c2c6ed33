"""Small dumps in every packing, and their batches unfolded into rows that can be compared."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import zstandard

from redclust.dumps.batches import (
    NO_SCORE,
    NO_TIME,
    Batch,
    Checkpoint,
    CommentBatch,
    InteractionBatch,
    PostBatch,
    Reject,
    TextColumn,
)
from redclust.dumps.read import Filters, Head, read
from redclust.errors import ArtefactUnusable

EPOCH_2000_S = 946_684_800
Row = tuple[Any, ...]


@dataclass
class Reading:
    """All that came out of a file, and what stopped it."""

    head: Head | None = None
    batches: list[Batch] = field(default_factory=list)
    error: ArtefactUnusable | None = None

    @property
    def rows(self) -> list[Row]:
        return [row for batch in self.batches for row in rows_of(batch)]

    @property
    def rejects(self) -> list[Reject]:
        return [reject for batch in self.batches for reject in batch.rejects]

    @property
    def reasons(self) -> list[str]:
        return [reject.reason for reject in self.rejects]


def read_all(path: Path | None, filters: Filters | None = None, **options: Any) -> Reading:
    """Read to the end, or to the error, which is kept."""
    return collect(read(path, filters=filters or Filters(), **options))


def collect(items: Iterator[Head | Batch]) -> Reading:
    reading = Reading()
    try:
        for item in items:
            if isinstance(item, Head):
                reading.head = item
            else:
                reading.batches.append(item)
    except ArtefactUnusable as error:
        reading.error = error
    return reading


def rest_of(path: Path, checkpoint: Checkpoint, **options: Any) -> list[Row]:
    return read_all(path, resume=checkpoint, **options).rows


def rows_of(batch: Batch) -> Iterator[Row]:
    """One tuple a row: names instead of indices, seconds since 1970, None where something is absent."""
    match batch:
        case CommentBatch():
            bodies = _unfold(batch.text, batch.text_end)
            for i, body in enumerate(bodies):
                parent = int(batch.parent_id[i])
                yield (
                    *_common(batch, i),
                    int(batch.post_id[i]),
                    None if parent < 0 else parent,
                    body,
                )
            assert len(bodies) == len(batch.id)
        case PostBatch():
            columns = [_texts(c) for c in (batch.title, batch.selftext, batch.url, batch.flair)]
            for i in range(len(batch.id)):
                is_self = int(batch.is_self[i])
                yield (
                    *_common(batch, i),
                    None if is_self < 0 else bool(is_self),
                    *(column[i] for column in columns),
                )
        case InteractionBatch():
            for i in range(len(batch.n)):
                yield (
                    batch.usernames[batch.user[i]],
                    batch.subreddit_names[batch.subreddit[i]],
                    int(batch.n[i]),
                )


def _common(batch: CommentBatch | PostBatch, i: int) -> Row:
    author, score = int(batch.author[i]), int(batch.score[i])
    return (
        int(batch.id[i]),
        batch.subreddit_names[batch.subreddit[i]],
        None if author < 0 else batch.author_names[author],
        _seconds(int(batch.created_at[i])),
        _seconds(int(batch.retrieved_at[i])),
        None if score == NO_SCORE else score,
    )


def _seconds(micros: int) -> float | None:
    return None if micros == NO_TIME else micros / 1e6 + EPOCH_2000_S


def _texts(column: TextColumn) -> list[str | None]:
    texts = _unfold(column.data, column.end)
    return [text if there else None for text, there in zip(texts, column.present.tolist(), strict=True)]


def _unfold(data: bytes, end: Any) -> list[str]:
    bounds = [0, *end.tolist()]
    assert bounds[-1] == len(data)
    return [data[a:b].decode() for a, b in pairwise(bounds)]


def comment(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A comment as Pushshift has it; a change to ``...`` leaves the key out."""
    made: dict[str, Any] = {
        "author": f"user_{number % 7}",
        "author_flair_text": None,
        "body": f"comment {number}: ünïcödé 🦀",
        "created_utc": 1_617_235_200 + number,
        "edited": False,
        "id": base36(36**6 + number),
        "link_id": f"t3_{base36(36**5 + number // 3)}",
        "parent_id": f"t1_{base36(36**6 + number - 1)}"
        if number % 3
        else f"t3_{base36(36**5 + number // 3)}",
        "retrieved_on": 1_617_321_600 + number,
        "score": number - 3,
        "subreddit": f"Sub{number % 5}",
        "subreddit_id": "t5_16vad",
    }
    return _changed(made, changes)


def post(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A submission as Pushshift has it; a change to ``...`` leaves the key out."""
    made: dict[str, Any] = {
        "author": f"user_{number % 7}",
        "created_utc": 1_345_107_919 + number,
        "domain": "self.x",
        "id": base36(36**5 + number),
        "is_self": bool(number % 2),
        "link_flair_text": None if number % 2 else f"flair {number}",
        "num_comments": 4,
        "retrieved_on": 1_377_000_000 + number,
        "score": number,
        "selftext": f"text {number} 🦀" if number % 2 else "",
        "subreddit": f"Sub{number % 5}",
        "title": f"title {number} é",
        "url": f"https://example.org/{number}",
    }
    return _changed(made, changes)


def _changed(made: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (made | changes).items() if value is not ...}


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def expected(thing: dict[str, Any]) -> Row:
    """The row that one of the objects above should become, by the plainest means."""
    retrieved = thing.get("retrieved_on", thing.get("retrieved_utc"))
    author = thing.get("author")
    start = (
        int(thing["id"], 36),
        thing["subreddit"],
        None if author in (None, "", "[deleted]", "[removed]") else author,
        float(thing["created_utc"]),
        None if retrieved is None else float(retrieved),
        thing.get("score"),
    )
    if "body" in thing:
        parent = thing.get("parent_id")
        if isinstance(parent, str):
            parent = int(parent[3:], 36) if parent.startswith("t1_") else None
        return (*start, int(thing["link_id"].removeprefix("t3_"), 36), parent, thing["body"])
    texts = (thing["title"], thing.get("selftext"), thing.get("url"), thing.get("link_flair_text"))
    return (*start, thing.get("is_self"), *texts)


def lines(things: Sequence[dict[str, Any]], *, ascii_only: bool = False) -> bytes:
    return b"".join(json.dumps(thing, ensure_ascii=ascii_only).encode() + b"\n" for thing in things)


def write(path: Path, things: Sequence[dict[str, Any] | bytes]) -> Path:
    """Plain lines, each an object or bytes as they are."""
    path.write_bytes(b"".join(line if isinstance(line, bytes) else lines([line]) for line in things))
    return path


def zstd(data: bytes, *, checksum: bool = True, window_log: int = 0) -> bytes:
    """One frame of unknown length, as a dump that was written as a stream."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3,
        write_checksum=checksum,
        write_content_size=False,
        **({"window_log": window_log} if window_log else {}),
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    parts = [compressor.compress(data[i : i + 50_000]) for i in range(0, len(data), 50_000)]
    return b"".join(parts) + compressor.flush()


def split_in(data: bytes, parts: int) -> list[bytes]:
    step = -(-len(data) // parts)
    return [data[i : i + step] for i in range(0, len(data), step)]


SKIPPABLE = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"

#: Every packing that is understood, whatever the file is called.
PACKINGS = {
    "zstd": zstd,
    "zstd without checksum": lambda data: zstd(data, checksum=False),
    "zstd of known length": zstandard.compress,
    "zstd frames": lambda data: b"".join(zstd(part) for part in split_in(data, 7)),
    "zstd with skippable frames": lambda data: SKIPPABLE + zstd(data) + SKIPPABLE,
    "gzip": gzip.compress,
    "gzip members": lambda data: b"".join(gzip.compress(part) for part in split_in(data, 7)),
    "gzip, padded": lambda data: gzip.compress(data) + bytes(1000),
    "plain": lambda data: data,
    "plain with byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "plain without last line end": lambda data: data[:-1],
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "blank lines": lambda data: b"\n  \n" + data.replace(b"\n", b"\n\r\n \n"),
}
