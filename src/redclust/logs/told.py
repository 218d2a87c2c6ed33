"""Progress that is written down too."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager

from redclust.report import Progress, Task

log = logging.getLogger("redclust.progress")


class Told:
    """Another progress, whose talk is in the log, and whose steps with their times are in the debug log."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        started_s = time.monotonic()
        log.debug("begins: %s", name)
        with self._shown.task(name, total, unit) as task:
            yield task
        log.debug("took %.3f s: %s", time.monotonic() - started_s, name)

    def say(self, text: str) -> None:
        log.info("%s", text)
        self._shown.say(text)
