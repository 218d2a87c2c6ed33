"""A dump from its first byte to its last: the head, then batches, then the end or the error."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from redclust.dumps import strict_json
from redclust.dumps.batches import Batch, Checkpoint, Reject
from redclust.dumps.comments import CommentRows
from redclust.dumps.compressed import Damaged
from redclust.dumps.interactions import InteractionRows
from redclust.dumps.kinds import Content, Kind, detect
from redclust.dumps.lines import MAX_LINE_BYTES, Block, Lines
from redclust.dumps.rows import Filters, Rows
from redclust.dumps.source import Format, Source, open_source
from redclust.dumps.submissions import SubmissionRows
from redclust.errors import ArtefactUnusable, UsageError

__all__ = [
    "Damaged",
    "Filters",
    "Head",
    "ResumeMismatch",
    "begins_with",
    "fingerprint",
    "read",
    "read_source",
]

BATCH_ROWS = 50_000
BATCH_BYTES = 32 * 1024 * 1024

_FINGERPRINT_BYTES = 4096
#: The kind is told from so much of a file, and from its whole first line at least.
_HEAD_BYTES = 64 * 1024
_DAY_S = 86_400


class ResumeMismatch(ArtefactUnusable):
    """The file is not the one that the checkpoint was taken in."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a file is.

    ``fingerprint`` is the SHA-256 of its first 4 KiB, decompressed; ``total_bytes`` its size as it lies
    there, None for a pipe; ``window_bytes`` its zstd window, 0 in other formats.
    """

    kind: Kind
    fingerprint: str
    format: Format
    window_bytes: int
    total_bytes: int | None


def read(
    path: Path | None,
    *,
    filters: Filters,
    resume: Checkpoint | None = None,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Head | Batch]:
    """Open a file (None: standard input) and read it as :func:`read_source` does.

    Raises:
        ArtefactUnusable: it cannot be opened, is empty, or is packed in something not understood.
    """
    with open_source(path) as source:
        yield from read_source(
            source, filters=filters, resume=resume, batch_rows=batch_rows, batch_bytes=batch_bytes
        )


def read_source(
    source: Source,
    *,
    filters: Filters,
    resume: Checkpoint | None = None,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Head | Batch]:
    """The head of an open dump, then its rows in batches; the caller closes the source.

    A batch ends after ``batch_rows`` lines or at about ``batch_bytes`` of texts and rejected lines, so that
    memory is bounded by a batch, one block of lines (or one line of up to 16 MiB) and the zstd window.
    With ``resume`` the file is decompressed up to there and compared before the head is given, without
    being parsed. Linear.

    Raises:
        ArtefactUnusable: the content is not understood, or memory is too small for it.
        Damaged: it is truncated or corrupt; a batch of all that could be read came before.
        ResumeMismatch: the bytes before ``resume`` are not those of the checkpoint, or are not all there.
        UsageError: a CSV of interactions, which has no times, is to be filtered by time.
    """
    opening = _Opening(source)
    content = opening.content()
    rows = _rows_maker(content, filters, source.name)
    start = resume or Checkpoint()
    chunks = _resumed(opening.chunks(), start, source.name)
    yield Head(content.kind, opening.fingerprint(), source.format, source.window_bytes, source.total_bytes)
    yield from _batches(source, Lines(chunks, at=start), rows, batch_rows, batch_bytes)


def fingerprint(path: Path) -> str:
    """What a :class:`Head` of this file says, found by reading its first bytes only.

    Raises:
        ArtefactUnusable: it cannot be opened, is empty, or nothing can be read of it.
    """
    with open_source(path) as source:
        return _Opening(source).fingerprint()


def begins_with(path: Path, checkpoint: Checkpoint) -> bool:
    """Whether the content before ``checkpoint`` is the beginning of this file. Decompresses that much."""
    with open_source(path) as source:
        try:
            _resumed(source.chunks(), checkpoint, source.name)
        except ResumeMismatch:
            return False
    return True


class _Opening:
    """The first chunks of a source, looked at before they are read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = source.chunks()
        self._held = b""
        self._ended = False
        self._problem: ArtefactUnusable | None = None

    def fingerprint(self) -> str:
        self._hold(_FINGERPRINT_BYTES)
        return hashlib.sha256(self._held[:_FINGERPRINT_BYTES]).hexdigest()

    def content(self) -> Content:
        """What the file holds.

        Raises:
            ArtefactUnusable: content that is not understood, or the damage that comes before the second line.
        """
        size = _HEAD_BYTES
        self._hold(size)
        while b"\n" not in self._held and len(self._held) >= size and size <= MAX_LINE_BYTES:
            size *= 2
            self._hold(size)
        head = self._held
        if not self._ended:
            head = head[: head.rfind(b"\n") + 1]
        elif self._source.format is Format.PLAIN and b"\n" not in head and head.lstrip().startswith(b"{"):
            _require_whole(head, self._source.name)
        if not head:
            raise self._problem or ArtefactUnusable(
                f"{self._source.name}: content not understood: its first line is longer than 16 MiB"
            )
        try:
            return detect(head, self._source.name)
        except ArtefactUnusable as error:
            raise self._problem or error from None

    def chunks(self) -> Iterator[bytes]:
        """All chunks, those looked at too, and what was raised in place of one."""
        yield self._held
        if self._problem is not None:
            raise self._problem
        yield from self._rest

    def _hold(self, size: int) -> None:
        parts, held = [self._held], len(self._held)
        while held < size and not self._ended and self._problem is None:
            try:
                chunk = next(self._rest)
            except StopIteration:
                self._ended = True
                break
            except ArtefactUnusable as error:
                self._problem = error
                break
            parts.append(chunk)
            held += len(chunk)
        self._held = b"".join(parts)
        if not self._held:
            raise self._problem or ArtefactUnusable(f"{self._source.name}: holds nothing")


def _require_whole(line: bytes, name: str) -> None:
    try:
        strict_json.parse(line)
    except ValueError as error:
        raise _truncated(name, 1) from error


def _truncated(name: str, line: int) -> Damaged:
    return Damaged(f"{name}: truncated: it ends inside line {line:,}")


def _rows_maker(content: Content, filters: Filters, name: str) -> Callable[[], Rows]:
    latest_s = time.time() + _DAY_S
    match content.kind:
        case Kind.COMMENTS:
            return lambda: CommentRows(filters, latest_s=latest_s)
        case Kind.SUBMISSIONS:
            return lambda: SubmissionRows(filters, latest_s=latest_s)
        case Kind.INTERACTIONS:
            if filters.since is not None or filters.until is not None:
                raise UsageError(
                    f"{name}: interactions have no times that --since or --until could choose by"
                )
            return lambda: InteractionRows(filters, order=content.order, header_line=content.header_line)


def _resumed(chunks: Iterator[bytes], at: Checkpoint, name: str) -> Iterator[bytes]:
    """The chunks from ``at`` on, after proof that those before are the same."""
    crc32, missing, rest = 0, at.offset_bytes, b""
    try:
        while missing:
            chunk = next(chunks)
            piece, rest = chunk[:missing], chunk[missing:]
            crc32 = zlib.crc32(piece, crc32)
            missing -= len(piece)
    except (StopIteration, Damaged) as error:
        raise ResumeMismatch(
            f"{name}: ends {missing:,} bytes before the place where its import stopped (line {at.line:,})"
        ) from error
    if crc32 != at.crc32:
        raise ResumeMismatch(f"{name}: is another file than the one whose import stopped at line {at.line:,}")
    return chain([rest], chunks)


def _batches(
    source: Source, lines: Lines, make_rows: Callable[[], Rows], batch_rows: int, batch_bytes: int
) -> Iterator[Batch]:
    rows, begin = make_rows(), lines.checkpoint(source.read_bytes)
    end, problem = begin, None
    while problem is None:
        try:
            item = lines.take(begin.line + batch_rows - end.line)
        except ArtefactUnusable as error:
            problem = error
            break
        match item:
            case None:
                break
            case Reject():
                rows.reject(item)
            case Block() if item.ended or source.format is not Format.PLAIN:
                rows.add(item)
            case Block():
                if not rows.add_cut(item):
                    problem = _truncated(source.name, item.line + 1)
                    break
        end = lines.checkpoint(source.read_bytes)
        if end.line - begin.line >= batch_rows or rows.held_bytes >= batch_bytes:
            yield rows.finish(end)
            rows, begin = make_rows(), end
    if end.line > begin.line:
        yield rows.finish(end)
    if problem is not None:
        raise problem
