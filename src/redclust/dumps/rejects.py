"""The file of rejected lines that an import leaves beside the database."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from redclust.dumps.batches import RAW_BYTES, Reject


class RejectsFile:
    """JSON lines of ``line, offset_bytes, reason, raw``; ``raw_base64`` instead where it is not UTF-8.

    Only its owner can read the file (0600) and a directory made for it (0700): it holds what people wrote.
    It is made when the first line is rejected.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def append(self, rejects: Sequence[Reject]) -> None:
        """Write the rejects at the end; durable after :meth:`sync`."""
        if not rejects:
            return
        data = b"".join([msgspec.json.encode(_record(reject)) + b"\n" for reject in rejects])
        descriptor = self._open()
        while data:
            data = data[os.write(descriptor, data) :]

    def sync(self) -> int:
        """Make durable what was appended; returns the length of the file in bytes."""
        if self._descriptor is None:
            return self.path.stat().st_size if self.path.exists() else 0
        os.fsync(self._descriptor)
        return os.fstat(self._descriptor).st_size

    def truncate_to(self, size_bytes: int) -> None:
        """Forget what was appended after a checkpoint at which the file was ``size_bytes`` long."""
        if self.path.exists() and self.path.stat().st_size > size_bytes:
            os.ftruncate(self._open(), size_bytes)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
        return self._descriptor


def _record(reject: Reject) -> dict[str, int | str]:
    record: dict[str, int | str] = {
        "line": reject.line,
        "offset_bytes": reject.offset_bytes,
        "reason": reject.reason,
    }
    raw = reject.raw
    try:
        record["raw"] = raw.decode()
    except UnicodeDecodeError as error:
        # The cut at 64 KiB may have split the last character.
        if len(raw) == RAW_BYTES and error.reason == "unexpected end of data":
            record["raw"] = raw[: error.start].decode()
        else:
            record["raw_base64"] = base64.b64encode(raw).decode()
    return record
