"""Which backups stay and which go: a plan, made of names and times alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """The newest ``last`` backups, and the newest of as many days, weeks and months that have one."""

    last: int
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One backup of the database; only verified ones count."""

    name: str
    at: datetime
    rows: int
    verified: bool
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """``keep`` has the reasons; ``brake`` is why a person should look before anything is removed."""

    keep: Mapping[str, tuple[str, ...]]
    remove: tuple[str, ...]
    brake: str = ""


@dataclass(slots=True)
class _Reasons:
    of: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, one: Candidate, reason: str) -> None:
        self.of.setdefault(one.name, []).append(reason)


_BUCKETS: Mapping[str, Callable[[datetime], str]] = {
    "daily": lambda at: f"{at:%Y-%m-%d}",
    "weekly": lambda at: f"{at:%G week %V}",
    "monthly": lambda at: f"{at:%Y-%m}",
}


def plan(candidates: Sequence[Candidate], policy: Policy) -> Plan:
    """Decide about every verified backup; unverified ones are neither counted nor removed.

    The newest verified one always stays, so ``policy.last`` under 1 means 1. Brakes when more than half of
    the verified ones would go, or when the newest has less than half the rows of its predecessor.
    """
    newest_first = sorted((c for c in candidates if c.verified), key=lambda c: (c.at, c.name), reverse=True)
    reasons = _Reasons()
    for number, one in enumerate(newest_first[: max(1, policy.last)], 1):
        reasons.add(one, "the newest" if number == 1 else f"number {number} of the last {policy.last}")
    for kind, count in (("daily", policy.daily), ("weekly", policy.weekly), ("monthly", policy.monthly)):
        for bucket, one in _newest_of_each(newest_first, _BUCKETS[kind], count):
            reasons.add(one, f"the newest of {bucket}")
    for one in candidates:
        if one.pinned:
            reasons.add(one, "pinned")
    remove = tuple(one.name for one in newest_first if one.name not in reasons.of)
    kept = {name: tuple(told) for name, told in reasons.of.items()}
    return Plan(kept, remove, _brake(newest_first, remove) if remove else "")


def _newest_of_each(
    newest_first: Sequence[Candidate], bucket_of: Callable[[datetime], str], count: int
) -> list[tuple[str, Candidate]]:
    found: dict[str, Candidate] = {}
    for one in newest_first:
        bucket = bucket_of(one.at)
        if bucket not in found and len(found) < count:
            found[bucket] = one
    return list(found.items())


def _brake(newest_first: Sequence[Candidate], remove: Sequence[str]) -> str:
    if 2 * len(remove) > len(newest_first):
        return f"{len(remove)} of {len(newest_first)} verified backups would go, more than half"
    newest, before = newest_first[0], newest_first[1]
    if 2 * newest.rows < before.rows:
        return (
            f"the newest backup, {newest.name}, has {newest.rows} rows, less than half of the {before.rows} "
            f"before it: look at the database first"
        )
    return ""
