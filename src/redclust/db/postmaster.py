"""The server process of a data directory, as its pid file and /proc tell of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_STATE_LINE = 7
# Above any number that a kernel gives.
_NO_PROCESS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A living server; ``ready`` when it takes connections, else it is starting or stopping."""

    pid: int
    ready: bool


def find(data: Path) -> Postmaster | None:
    """The server that runs on a data directory; a pid file that a dead one left does not count."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not _runs(pid, data):
        return None
    return Postmaster(pid, len(lines) > _STATE_LINE and lines[_STATE_LINE].strip() == "ready")


def disarm_leftovers(data: Path, socket: Path) -> None:
    """Let a new server start although the process id of a killed one is another program's by now.

    The pid file itself stays: it names the shared memory by which Postgres notices processes that have
    outlived their killed postmaster, and a second server beside those would destroy the data.
    """
    if find(data) is not None:
        return
    pid_file = data / "postmaster.pid"
    try:
        number, newline, rest = pid_file.read_text().partition("\n")
        if Path(f"/proc/{int(number)}").exists():
            pid_file.write_text(f"{_NO_PROCESS}{newline}{rest}")
    except (FileNotFoundError, ValueError):
        pass
    socket.with_name(f"{socket.name}.lock").unlink(missing_ok=True)


def _runs(pid: int, data: Path) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    process = Path(f"/proc/{pid}")
    try:
        # Every Postgres process works in its data directory; a process that reused the number does not.
        return (process / "cwd").readlink() == data
    except OSError:
        pass
    try:
        # Root in a container may not look into other users' processes, but may read how they were started.
        return os.fsencode(data) in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        # It is there and does not show itself: a second server on the same data would destroy it.
        return True
