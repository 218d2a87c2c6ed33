"""Where backups lie: what a directory of this machine and a bucket far away both can.

A backup is a directory ``NAME`` of files. One that is not finished is told apart from every finished one, and
its marker says whose it is; its manifest is written last.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from redclust.ops.backup.manifest import Identity

#: In the directory of an unfinished backup: whose it is and since when.
MARKER = "partial.json"


@dataclass(frozen=True, slots=True)
class Marker:
    """Who is, or was, writing a backup, or removing one."""

    identity: Identity
    at: datetime
    host: str
    pid: int

    @classmethod
    def of(cls, identity: Identity) -> Marker:
        """This process, at this moment."""
        return cls(identity, datetime.now(UTC), socket.gethostname(), os.getpid())


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of the place of backups: a directory with its files and their sizes, or a single file."""

    name: str
    #: None where the entry is no directory.
    files: Mapping[str, int] | None
    modified_at: datetime

    @property
    def size_bytes(self) -> int:
        return sum((self.files or {}).values())


class Draft(Protocol):
    """A backup that is being written; nothing of it is listed as a backup before :meth:`complete`."""

    name: str

    def create(self, file: str) -> AbstractContextManager[BinaryIO]:
        """A new file; durable when the block has ended, gone when it ends with an error."""
        ...

    def open(self, file: str) -> BinaryIO:
        """Read back what was written; from the disk or the network, not from a copy in memory."""
        ...

    def complete(self, manifest: bytes) -> None:
        """Write the manifest last and give the backup its name."""
        ...

    def discard(self) -> None:
        """Remove everything of it; never raises."""
        ...


class Store(Protocol):
    """A place of backups."""

    @property
    def remote(self) -> bool: ...

    def describe(self, name: str = "") -> str:
        """The place, or a backup in it, as a person would look for it; never a secret."""
        ...

    def scan(self) -> list[Found]:
        """Every entry of the place, by name; empty where the place does not exist yet."""
        ...

    def read(self, name: str, file: str) -> bytes:
        """A small file in whole."""
        ...

    def open(self, name: str, file: str) -> BinaryIO:
        """A file from its beginning to its end."""
        ...

    def put(self, name: str, file: str, content: bytes) -> None:
        """Write a small file, whole or not at all, in place of a former one."""
        ...

    def delete(self, name: str, file: str) -> None:
        """Remove a small file; it may be absent."""
        ...

    def modified_at(self, name: str, file: str) -> datetime: ...

    def begin(self, name: str, marker: Marker) -> AbstractContextManager[Draft] | None:
        """Reserve a name; None where it is taken. What is not complete when the block ends is discarded."""
        ...

    def remove(self, name: str, marker: Marker) -> None:
        """Remove a backup, finished or not; killed on its way it leaves an unfinished one that says whose.

        Raises:
            Locked: a restore or a check reads it.
        """
        ...

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Keep :meth:`remove` away from a backup until the block ends (where the place can)."""
        ...

    def free_bytes(self) -> int | None:
        """What can still be written; None where the place does not say."""
        ...
