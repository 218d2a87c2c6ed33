"""The log of one run of the command: begun when its settings are known, ended with its exit code."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from redclust.config import Loaded, LogSettings
from redclust.errors import RedclustError
from redclust.logs.files import SharedFile
from redclust.logs.lines import Lines

_MIB = 1024 * 1024
#: What a run that goes on for weeks writes into its debug log at most, twice.
_DEBUG_BYTES = 5 * _MIB
#: Exit codes of what a machine, a server, a tool or Reddit did: the debug log is of use.
_FROM_OUTSIDE = frozenset({1, 11, 14, 15})
#: The same where another error stands behind; else the message says all that there is ("there is no backup").
_WITH_A_CAUSE = frozenset({12, 16})

# Not the root: what others log (addresses that name people, headers) is nothing to keep.
log = logging.getLogger("redclust")


@dataclass(slots=True)
class _Run:
    handlers: tuple[logging.Handler, ...]
    debug: Path
    keep: int
    started_s: float
    worth_a_look: bool = False


_running: list[_Run] = []


def log_file(settings: LogSettings, home: Path) -> Path | None:
    """The file that is written to; None for stderr."""
    if settings.file == "stderr":
        return None
    return Path(settings.file).absolute() if settings.file else home / "logs" / "redclust.log"


def begin(loaded: Loaded, verb: str, secrets: Collection[str]) -> None:
    """Write down from now on what this process does: the log, and all details until it has ended well."""
    settings, home = loaded.settings.log, loaded.home
    run = uuid4().hex[:8]
    process = {"verb": verb, "run": run, "pid": os.getpid()}
    path = log_file(settings, home)
    max_bytes = round(settings.max_mb * _MIB)
    main = (
        SharedFile(path, max_bytes=max_bytes, keep=settings.keep, home=None if settings.file else home)
        if path
        else logging.StreamHandler(sys.stderr)
    )
    main.setLevel(settings.level.upper())
    main.setFormatter(Lines(process, secrets, as_json=settings.format == "json", traces=False))
    at = datetime.now(UTC)
    details_file = home / "logs" / "runs" / f"{verb}-{at:%Y%m%d_%H%M%S}-{run}.log"
    debug = SharedFile(details_file, max_bytes=_DEBUG_BYTES, keep=1, home=home)
    debug.setFormatter(Lines(process, secrets, as_json=settings.format == "json", traces=True))
    log.setLevel(logging.DEBUG)
    log.propagate = False
    for handler in (main, debug):
        log.addHandler(handler)
    _running.append(_Run((main, debug), details_file, settings.debug_keep, time.monotonic()))
    log.info("began")


def details(error: RedclustError) -> Path | None:
    """The debug log of this run, which then stays, where there is one and this error is worth a look."""
    worth = error.exit_code in _FROM_OUTSIDE or (error.exit_code in _WITH_A_CAUSE and error.__cause__)
    if not _running or not worth or not _running[-1].keep:
        return None
    _running[-1].worth_a_look = True
    with suppress(OSError):
        # On a full disk there is nothing in it.
        return path if (path := _running[-1].debug).stat().st_size else None
    return None


def end(exit_code: int) -> None:
    """Close what :func:`begin` has opened; the details go unless they are worth a look."""
    if not _running:
        return
    run = _running.pop()
    log.info("ended with %d after %.1f s", exit_code, time.monotonic() - run.started_s)
    for handler in run.handlers:
        log.removeHandler(handler)
        handler.close()
    log.propagate = True
    with suppress(OSError):
        if not run.worth_a_look:
            for path in (run.debug, run.debug.with_name(f"{run.debug.name}.1")):
                path.unlink(missing_ok=True)
        _tidy(run.debug.parent, run.keep)


def _tidy(directory: Path, keep: int) -> None:
    """Leave the newest debug logs; those of runs that go on belong to them, as those that were killed do."""
    found = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[max(keep, 1) :]:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.1").unlink(missing_ok=True)
