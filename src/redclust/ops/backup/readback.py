"""Reading a backup: every byte against its hash, and every archive by pg_restore to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from redclust import pgtools
from redclust.errors import ArtefactUnusable, ToolError
from redclust.ops.backup import archive
from redclust.ops.backup.manifest import Level, Manifest, Payload, PayloadKind
from redclust.ops.backup.rows import RowCounter
from redclust.pgtools import Child, Tools
from redclust.report import Task

_SCRIPT_END = b"-- PostgreSQL database dump complete"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reader:
    """Where the files of one backup are read from, and by what; ``where`` names the backup in errors."""

    open: Callable[[str], BinaryIO]
    where: str
    keys: Sequence[object] = ()
    tools: Tools | None = None


def check(manifest: Manifest, level: Level, reader: Reader, task: Task) -> float:
    """Check a backup's files up to ``level`` (hash or read); seconds it took.

    ``task`` is told the bytes of the files. Linear in their size, memory stays the same.

    Raises:
        ArtefactUnusable: the first fault, with the file it is in.
        ToolError: pg_restore is missing.
        ConfigError: it is encrypted, and there is no key.
    """
    started_s = time.monotonic()
    rows: dict[str, int] = {}
    for payload in manifest.payloads:
        what = f"{reader.where}/{payload.file}"
        with reader.open(payload.file) as raw:
            if level is Level.HASH:
                archive.check_hash(raw, payload, what, task.advance)
            elif payload.kind is PayloadKind.ROLES:
                archive.pour(raw, payload, len, keys=reader.keys, what=what, on_bytes=task.advance)
            else:
                rows |= _read(raw, payload, reader, what, task)
    if level is not Level.HASH:
        _compare(manifest, rows, reader.where)
    return time.monotonic() - started_s


def _compare(manifest: Manifest, rows: Mapping[str, int], where: str) -> None:
    for table in manifest.tables:
        found = rows.get(table.label, 0)
        if found != table.rows:
            raise ArtefactUnusable(
                f"{where} holds {found} rows of {table.label}; in the same snapshot {table.rows} were counted"
            )


def _read(raw: BinaryIO, payload: Payload, reader: Reader, what: str, task: Task) -> dict[str, int]:
    """Rows of each table in one archive or script."""
    counter = RowCounter()
    if payload.kind is PayloadKind.SCRIPT:
        archive.pour(raw, payload, counter.feed, keys=reader.keys, what=what, on_bytes=task.advance)
        if not any(line.startswith(_SCRIPT_END) for line in counter.last_lines):
            raise ArtefactUnusable(f"{what} does not end as a whole script does")
    else:
        _through_pg_restore(raw, payload, reader, what, task, counter)
    if counter.inside is not None:
        raise ArtefactUnusable(f"{what} ends within the rows of {counter.inside}")
    return counter.rows


def _through_pg_restore(
    raw: BinaryIO, payload: Payload, reader: Reader, what: str, task: Task, counter: RowCounter
) -> None:
    if reader.tools is None:
        raise ToolError(f"there is no pg_restore to read {what} with")
    # The data alone: a function's text may look like a table's.
    argv = [reader.tools.path("pg_restore"), "--data-only", "-f", "-"]
    with pgtools.running(argv, feed=True) as child, ThreadPoolExecutor(1) as threads:
        counted = threads.submit(_drain, child, counter)
        try:
            archive.pour(raw, payload, child.feed, keys=reader.keys, what=what, on_bytes=task.advance)
        except BaseException:
            child.kill()
            raise
        child.end_of_input()
        _finish(child, counted, what)


def _drain(child: Child, counter: RowCounter) -> None:
    with suppress(ValueError):  # closed: it was killed
        while block := child.stdout.read(_READ_BYTES):
            counter.feed(block)


def _finish(child: Child, counted: Future[None], what: str) -> None:
    counted.result()
    try:
        child.finish()
    except ToolError as error:
        raise ArtefactUnusable(f"{what} cannot be read by pg_restore: {error}") from None
