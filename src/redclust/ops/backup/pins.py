"""``backup pin`` and ``unpin``: what tidy must not remove."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from redclust.config import Loaded
from redclust.ops.backup import evidence, places
from redclust.ops.backup.evidence import Pin
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class PinReport(Report):
    verb: ClassVar[str] = "backup.pin"
    name: str
    pinned: bool
    reason: str


def pin(loaded: Loaded, name: str, *, reason: str = "") -> PinReport:
    """Keep a backup until it is unpinned; ``latest`` works too.

    Raises:
        ArtefactUnusable: there is no whole backup of that name.
    """
    catalog = places.read(loaded)
    entry = catalog.choose(name, can_read=loaded.settings.backup.identity_file is not None)
    evidence.pin(catalog.store, entry.name, Pin(datetime.now(UTC), reason))
    return PinReport(entry.name, True, reason)


def unpin(loaded: Loaded, name: str) -> PinReport:
    """Let tidy remove a backup again when it is its turn; for the raised errors see :func:`pin`."""
    catalog = places.read(loaded)
    entry = catalog.choose(name, can_read=loaded.settings.backup.identity_file is not None)
    evidence.pin(catalog.store, entry.name, None)
    return PinReport(entry.name, False, "")
