"""What a restore was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from redclust.errors import UsageError
from redclust.ops.backup.catalog import LATEST


@dataclass(frozen=True, slots=True)
class Request:
    """``wanted`` is ``latest``, a backup's name or a path.

    With ``swap`` it becomes the live database; else a database of its own, ``into`` or a name with the time.
    ``terminate`` ends other people's sessions; ``trust`` takes a dump without a manifest; ``owners=False``
    makes everything the restoring role's own.
    """

    wanted: str = LATEST
    into: str | None = None
    swap: bool = False
    terminate: bool = False
    trust: bool = False
    owners: bool = True
    precalc: bool = False
    jobs: int | None = None
    lock_wait_s: float = 0

    def __post_init__(self) -> None:
        if self.swap and self.into:
            raise UsageError("--swap and --into exclude each other", hint="redclust restore --help")
        if self.precalc and not self.swap:
            raise UsageError("--precalc is about the live database: add --swap")
