"""The same work again and again, for those without cron."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import psycopg

from redclust.db.failures import in_words
from redclust.errors import ConfigError, RedclustError
from redclust.report import Progress

log = logging.getLogger(__name__)

_TERMINATED = 143


def repeat(
    once: Callable[[], tuple[bool, Sequence[str]]], *, what: str, interval_s: float, progress: Progress
) -> tuple[int, int]:
    """Do ``once`` now and then every ``interval_s``, until SIGTERM; how often it did well, and failed.

    ``once`` tells whether it did well, and what to say of it when that is counted. What it raises is told
    as a failure of ``what`` and does not end the loop. Work that takes longer than the interval begins again
    at once.

    Raises:
        ConfigError: nothing will change by trying again.
    """
    made = failed = 0
    try:
        while True:
            next_s = time.monotonic() + interval_s
            well, told = _once(once, what)
            made, failed = made + well, failed + (not well)
            for line in told:
                progress.say(line)
            time.sleep(max(0.0, next_s - time.monotonic()))
    except SystemExit as ended:
        if ended.code != _TERMINATED:
            raise
    return made, failed


def _once(once: Callable[[], tuple[bool, Sequence[str]]], what: str) -> tuple[bool, Sequence[str]]:
    try:
        return once()
    except ConfigError:
        raise
    except (RedclustError, psycopg.Error, OSError) as error:
        told = error if isinstance(error, RedclustError) else in_words(error)
        log.error("%s failed", what, exc_info=error)
        return False, [f"{what} failed: {told or error}"]
