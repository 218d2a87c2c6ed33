"""What a check is given to look with, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redclust.config import Settings
from redclust.db.session import Database
from redclust.ops.integrity.moment import Moment
from redclust.report import Task


class Skipped(Exception):
    """A check that cannot be made here; the message says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Found:
    """How much is wrong, and the first of it in words; ``stale`` is what only is of another time.

    ``note`` is what else there is to say, also where nothing is wrong.
    """

    rows: int = 0
    sample: tuple[str, ...] = ()
    stale: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One snapshot, the settings, and how much is wanted; ``task`` is where to say what is looked at."""

    database: Database
    moment: Moment
    settings: Settings
    samples: int
    deep: bool
    task: Task

    def values(self) -> dict[str, Any]:
        """What queries of checks may ask for."""
        queue = self.settings.queue
        return {
            "samples": self.samples,
            "lease_s": queue.lease_s,
            "stuck_after_s": queue.stuck_after_min * 60,
        }


def first(found: list[str], look: Look) -> Found:
    """A finding of all that is listed."""
    return Found(len(found), tuple(found[: look.samples]))
