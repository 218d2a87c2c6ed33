"""Locks on files: the kernel gives them back however their process ends, so none is ever stale."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from redclust.errors import Locked

_DIRECTORY_LOCK = ".lock"
_LONGEST_PAUSE_S = 1.0


def open_lock(path: Path) -> int:
    """A lock file's descriptor; the file is made where it is not there."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        # root looks after another user's home: what it leaves there must be that user's.
        home = path.parent.stat()
        os.fchown(fd, home.st_uid, home.st_gid)
    return fd


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold a lock file until the block ends.

    Raises:
        BlockingIOError: somebody holds it and ``wait`` is false.
    """
    fd = open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(fd)


@contextmanager
def hold_directory(
    directory: Path,
    *,
    shared: bool = False,
    wait_s: float = 0,
    on_wait: Callable[[str], None] = lambda told: None,
) -> Generator[None]:
    """Keep others out of a directory of files until the block ends: readers share it, a writer is alone.

    ``on_wait`` is told once who is in the way. A reader who may not write there needs no lock file: nobody
    of such rights can change anything beside it.

    Raises:
        Locked: another process holds it for longer than ``wait_s``; the message says which and since when.
    """
    fd = _open_in(directory, shared=shared)
    if fd is None:
        yield
        return
    try:
        _take(fd, directory, shared=shared, wait_s=wait_s, on_wait=on_wait)
        yield
    finally:
        os.close(fd)


def _open_in(directory: Path, *, shared: bool) -> int | None:
    path = directory / _DIRECTORY_LOCK
    try:
        return open_lock(path)
    except OSError as error:
        if not shared or error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _take(fd: int, directory: Path, *, shared: bool, wait_s: float, on_wait: Callable[[str], None]) -> None:
    deadline, pause_s, told = time.monotonic() + wait_s, 0.05, False
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            other = ", ".join(_holders(fd)) or "another process"
            if time.monotonic() >= deadline:
                raise Locked(
                    f"{directory} is locked by another run: {other}",
                    hint="wait until it ends; a run that died gives its lock back by itself",
                ) from None
            if not told:
                on_wait(f"waits for {directory}: {other}")
                told = True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            if not shared:
                os.utime(fd)  # since when
            return


def _holders(fd: int) -> list[str]:
    """The processes that hold a lock on the file, as this kernel lists them; none where it does not."""
    found = os.fstat(fd)
    name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    # number: FLOCK ADVISORY WRITE pid device:inode from to; with an arrow, those who wait.
    fields = [line.split() for line in lines]
    held = {(int(f[4]), f[3]) for f in fields if len(f) > 5 and f[1] == "FLOCK" and f[5] == name}
    return [_described(pid, mode, found.st_mtime) for pid, mode in sorted(held) if pid > 0]


def _described(pid: int, mode: str, taken_s: float) -> str:
    """A process in words: its verb, its number, and since when it holds the lock, or when it began."""
    process = Path(f"/proc/{pid}")
    try:
        began_s = process.stat().st_mtime
        argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"process {pid}"
    names = [Path(part).name for part in argv[:2]]
    program = "redclust" if "redclust" in names or "redclust" in argv else (names or ["a program"])[0]
    after = argv[names.index("redclust") + 1 :] if "redclust" in names else argv[3:]
    # A verb's words only: a value of an option may be a URL.
    words = [part for part in after if re.fullmatch("[a-z][a-z-]*", part)]
    command = " ".join([program, *words[:2]]) if program == "redclust" else program
    since = f"since {_at(taken_s)}" if mode == "WRITE" else f"begun {_at(began_s)}"
    return f"{command} (process {pid}), {since}"


def _at(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
