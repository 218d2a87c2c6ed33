"""A file that several processes append to."""

from __future__ import annotations

import fcntl
import logging
import os
from collections import deque
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path

#: Events that are kept until there is a home to write them into.
_WAITING = 1000


class SharedFile(WatchedFileHandler):
    """Appends a line with one write, so that lines of several processes never mix.

    Whoever finds the file full renames it under a lock, and everybody else opens the new one at the next
    line: with ``RotatingFileHandler`` they would go on writing into FILE.1 and rotate it again and again.
    Another program may rotate it as well.

    Nothing is written, and no directory made, before ``home`` exists: a command that only looks makes none.
    What cannot be written (a full disk, no right) is left out: no command fails because of its log.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int, home: Path | None = None) -> None:
        self._path, self._max_bytes, self._keep, self._home = path, max_bytes, keep, home
        self._waiting: deque[logging.LogRecord] = deque(maxlen=_WAITING)
        super().__init__(path, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._home is not None and not self._home.is_dir():
                self._waiting.append(record)
                return
            self._rotate()
            while self._waiting:
                super().emit(self._waiting.popleft())
            super().emit(record)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Also where the last lines found no room."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: see above."""

    def _open(self) -> TextIOWrapper:
        # mkdir's own parents would be as open as the umask lets them.
        for directory in (self._path.parent.parent, self._path.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(fd, "a", encoding="utf-8")

    def _full(self) -> bool:
        try:
            return self._path.stat().st_size >= self._max_bytes
        except FileNotFoundError:  # somebody renames it just now
            return False

    def _rotate(self) -> None:
        if not self._full():
            return
        with self._numbered("lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._full():
                return
            for number in range(self._keep - 1, 0, -1):
                if (older := self._numbered(number)).exists():
                    older.replace(self._numbered(number + 1))
            self._path.replace(self._numbered(1))

    def _numbered(self, end: int | str) -> Path:
        return self._path.with_name(f"{self._path.name}.{end}")
