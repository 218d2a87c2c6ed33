"""What became known of a backup after it was made: the newest check of each level, and its pin.

One small signed file each beside the manifest, written whole, so that two checks at once lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redclust.errors import ArtefactUnusable
from redclust.ops.backup import signed
from redclust.ops.backup.manifest import Level
from redclust.ops.backup.store import Store

PIN_FILE = "pinned.json"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a finished backup; ``problem`` says what is wrong where it is not ``ok``."""

    level: Level
    ok: bool
    at: datetime
    duration_s: float
    problem: str = ""
    figures: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])


@dataclass(frozen=True, slots=True)
class Pin:
    """Tidy never removes a pinned backup."""

    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest check of each level and the pin; ``problems`` are files that cannot be read."""

    checks: tuple[Check, ...] = ()
    pin: Pin | None = None
    problems: tuple[str, ...] = ()

    @property
    def failed(self) -> Check | None:
        """The newest failed check that no later one of the same or a higher level has refuted."""
        failures = (c for c in self.checks if not c.ok)
        standing = [
            f
            for f in failures
            if not any(c.ok and c.at > f.at and c.level.rank >= f.level.rank for c in self.checks)
        ]
        return max(standing, key=lambda check: check.at, default=None)

    def newest(self, level: Level) -> Check | None:
        return next((check for check in self.checks if check.level is level), None)


NOTHING_KNOWN = Evidence()


def file_of(level: Level) -> str:
    return f"check-{level}.json"


def files() -> frozenset[str]:
    """The names that evidence may have."""
    return frozenset({PIN_FILE, *(file_of(level) for level in Level)})


def read(store: Store, name: str, present: Mapping[str, int]) -> Evidence:
    """Read what lies beside a manifest; ``present`` are the files there with their sizes."""
    checks: list[Check] = []
    problems: list[str] = []
    pin: Pin | None = None
    for file in sorted(files() & present.keys()):
        what = f"{name}/{file}"
        try:
            if file == PIN_FILE:
                pin = signed.decode(store.read(name, file), Pin, what)
            else:
                checks.append(signed.decode(store.read(name, file), Check, what))
        except ArtefactUnusable as error:
            problems.append(str(error))
            if file == PIN_FILE:  # somebody did pin it
                pin = Pin(at=store.modified_at(name, file), reason="the pin's file is damaged")
    return Evidence(tuple(checks), pin, tuple(problems))


def record(store: Store, name: str, check: Check) -> None:
    """Keep a check beside the backup, in place of the former one of its level."""
    store.put(name, file_of(check.level), signed.encode(check))


def pin(store: Store, name: str, pin: Pin | None) -> None:
    """Pin a backup, or with None take its pin off."""
    if pin is None:
        store.delete(name, PIN_FILE)
    else:
        store.put(name, PIN_FILE, signed.encode(pin))
