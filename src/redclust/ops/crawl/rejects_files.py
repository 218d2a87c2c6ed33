"""The rejects files of imports, without the lines that name somebody."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from secrets import token_hex


def without(folder: Path, name: str) -> int:
    """Take the lines that hold ``name`` as a word out of every rejects file; returns how many.

    Each file is replaced whole or not at all. Linear in the bytes of the files.
    """
    word = re.compile(rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?![A-Za-z0-9_-])", re.IGNORECASE)
    removed = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        kept: list[bytes] = []
        before = removed
        for line in path.read_bytes().splitlines(keepends=True):
            if _names(line, word):
                removed += 1
            else:
                kept.append(line)
        if removed > before:
            _replace(path, kept)
    return removed


def _names(line: bytes, word: re.Pattern[str]) -> bool:
    try:
        record = json.loads(line)
        raw = record.get("raw")
        if raw is None:
            raw = base64.b64decode(record.get("raw_base64", "")).decode(errors="replace")
    except (ValueError, AttributeError):
        raw = line.decode(errors="replace")
    return word.search(str(raw)) is not None


def _replace(path: Path, lines: list[bytes]) -> None:
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
