"""How many of the newest lines are errors, of the embedded server's log and of redclust's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from redclust import logs
from redclust.config import Loaded
from redclust.ops import db
from redclust.ops.db.log import last_lines

#: So many of the newest lines are looked at.
LINES = 1_000
#: A log with fewer is judged as if it had so many: one error among four lines says little.
_AT_LEAST = 100
#: How a line of an error begins: the server's after its prefix, ours as text or as JSON.
_SERVER = re.compile(r" (ERROR|FATAL|PANIC):  ")
_OWN = re.compile(r'^(\d[^ "]* (ERROR|CRITICAL) |\{"time":"[^"]*","level":"(error|critical)")')


@dataclass(frozen=True, slots=True)
class LogErrors:
    """Lines of errors among the newest of a log."""

    path: Path
    errors: int
    lines: int

    @property
    def ratio(self) -> float:
        return self.errors / max(self.lines, _AT_LEAST)


def of_server(loaded: Loaded) -> LogErrors | None:
    """Of the embedded server's log, where there is one."""
    path = db.log_path(loaded)
    return _counted(path, _SERVER) if path is not None else None


def of_redclust(loaded: Loaded) -> LogErrors | None:
    """Of what redclust's own runs have written, where that is kept in a file."""
    path = logs.log_file(loaded.settings.log, loaded.home)
    return _counted(path, _OWN) if path is not None and path.is_file() else None


def _counted(path: Path, error: re.Pattern[str]) -> LogErrors:
    """About a megabyte is read at most; a file that was begun lately is read with the one before it."""
    found: list[str] = []
    for part in (path, path.with_name(f"{path.name}.1")):
        if len(found) < LINES and part.is_file():
            with part.open("rb") as file:
                found += last_lines(file, LINES - len(found))
    return LogErrors(path, sum(error.search(line) is not None for line in found), len(found))
