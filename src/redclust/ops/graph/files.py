"""Files that appear under their names only when all of them are whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from redclust.errors import UsageError


@contextmanager
def whole_files(*paths: Path) -> Generator[tuple[BinaryIO, ...]]:
    """Open files for writing; they take their names when the block ends well, and are gone if it fails.

    An existing file is replaced, its target where it is a symlink; a device or pipe is written to directly.

    Raises:
        UsageError: a path is a directory, or its directory is missing or not writable.
    """
    finals = [Path(os.path.realpath(path)) for path in paths]
    direct = [final.exists() and not final.is_file() for final in finals]
    parts = [
        final if straight else final.with_name(f".{final.name[:200]}.{token_hex(4)}.part")
        for final, straight in zip(finals, direct, strict=True)
    ]
    with ExitStack() as stack:
        stack.enter_context(_full_disk_named(finals[0].parent))
        files: list[BinaryIO] = []
        for path, part, straight in zip(paths, parts, direct, strict=True):
            try:
                file = part.open("wb" if straight else "xb")
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror}") from error
            if not straight:
                stack.callback(_remove, part)
            files.append(stack.enter_context(file))
        yield tuple(files)
        for file, straight in zip(files, direct, strict=True):
            file.flush()
            if not straight:
                os.fsync(file.fileno())
        for part, final, straight in zip(parts, finals, direct, strict=True):
            if not straight:
                part.replace(final)


@contextmanager
def _full_disk_named(directory: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            error.filename = str(directory)
        raise


def _remove(part: Path) -> None:
    with suppress(FileNotFoundError):
        part.unlink()
