"""``db log``: the embedded server's log, and where an external one keeps its own."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from redclust.config import Loaded
from redclust.db import embedded
from redclust.db.connect import Connector
from redclust.db.target import external
from redclust.errors import RedclustError, UsageError
from redclust.sql import query

_LOOK_EVERY_S = 0.25
_BYTES_A_LINE = 1000
_LONG_LINE = 100
_EVERY = re.compile("")


def log(loaded: Loaded, lines: int, grep: str | None = None) -> list[str]:
    """The last lines of the embedded server's log, or of those that match; one pass over the file for these.

    Raises:
        UsageError: the database is an external one (the hint says where its log is), there is no log yet, or
            ``grep`` is not a regular expression.
    """
    path, pattern = _path(loaded), _pattern(grep)
    with _open(path) as file:
        return last_lines(file, lines, pattern)


def follow(loaded: Loaded, lines: int, grep: str | None = None) -> Iterator[str]:
    """The same, then every new line as it is written; also of a file that takes this one's place.

    Raises:
        UsageError: as :func:`log`.
    """
    path, pattern = _path(loaded), _pattern(grep)
    file = _open(path)
    try:
        yield from last_lines(file, lines, pattern)
        # A line that is being written is read again when it is whole.
        file.seek(_whole_bytes(file))
        rest = b""
        while True:
            *whole, rest = (rest + file.read()).split(b"\n")
            yield from (line for raw in whole if pattern.search(line := raw.decode(errors="replace")))
            if _replaced(path, file):
                file.close()
                file, rest = _open(path), b""
            elif not whole:
                time.sleep(_LOOK_EVERY_S)
    finally:
        file.close()


def path_of(loaded: Loaded) -> Path | None:
    """The embedded server's log where there is one."""
    if external(loaded.settings.database) is not None:
        return None
    path = embedded.locate(loaded.home, loaded.settings.database).layout.log
    return path if path.exists() else None


def _path(loaded: Loaded) -> Path:
    target = external(loaded.settings.database)
    if target is None:
        return embedded.locate(loaded.home, loaded.settings.database).layout.log
    raise UsageError(
        f"db log is about the embedded server, but {target.source} names an external one "
        f"({target.describe()})",
        hint=_place(Connector(target, loaded.settings.database, "log")),
    )


def _place(connector: Connector) -> str:
    """Where an external server's log is, as far as it tells."""
    try:
        with connector.connect(autocommit=True) as connection:
            (row,) = connection.execute(query("incidents", "log_place")).fetchall()
            destination, collected, told = row
            # Rights are asked for before a statement begins, also for what it would not come to.
            (file,) = (
                connection.execute(query("incidents", "log_file")).fetchone() or (None,) if told else (None,)
            )
    except RedclustError:
        return "on its machine: journalctl -u postgresql, or /var/log/postgresql on Debian"
    if file:
        return f"on its machine, below its data directory: {file} ({destination})"
    if collected:
        return f"on its machine, in log_directory ({destination}); a member of pg_monitor is told the file"
    return (
        f"on its machine, where its {destination} goes: journalctl -u postgresql, /var/log/postgresql on "
        "Debian, or docker logs"
    )


def _pattern(grep: str | None) -> re.Pattern[str]:
    try:
        return re.compile(grep or "")
    except re.error as error:
        raise UsageError(f"--grep {grep!r} is not a regular expression: {error}") from None


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise UsageError(f"there is no log at {path} yet", hint="redclust db start") from None


def last_lines(file: BinaryIO, lines: int, pattern: re.Pattern[str] = _EVERY) -> list[str]:
    """The last whole lines, or of those that match; reads the end of the file, or the whole for a pattern."""
    size = file.seek(0, 2)
    # Every line matches: its end suffices.
    file.seek(0 if pattern.pattern else max(0, size - _BYTES_A_LINE * lines))
    found: deque[str] = deque(maxlen=lines)
    for raw in file:
        line = raw.decode(errors="replace").rstrip("\n")
        if raw.endswith(b"\n") and pattern.search(line):
            found.append(line)
    return list(found)


def _whole_bytes(file: BinaryIO) -> int:
    """Where the last whole line ends."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _BYTES_A_LINE * _LONG_LINE))
    tail = file.read()
    return size - len(tail) + tail.rfind(b"\n") + 1 if b"\n" in tail else size


def _replaced(path: Path, file: BinaryIO) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(file.fileno())
    return there.st_ino != ours.st_ino or there.st_size < file.tell()
