"""Rows of each table, counted in the SQL text of a dump while it passes by."""

from __future__ import annotations

import re
from collections import deque

_PART = rb'("(?:[^"]|"")*"|[^".\s]+)'
_COPY = re.compile(rb"COPY " + _PART + rb"\." + _PART + rb"(?: \(.*\))? +FROM stdin;\n")
_HEADING = b"-- Data for Name: "
_END = b"\n\\.\n"


class RowCounter:
    """Feed it text in blocks of any size; it keeps less than a block.

    In COPY's text format a row is a line, and the line ``\\.`` ends a table.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        #: The last lines that were no rows: how a whole script ends.
        self.last_lines: deque[bytes] = deque(maxlen=3)
        self._table: str | None = None
        self._left = b""

    @property
    def inside(self) -> str | None:
        """The table whose rows did not come to their end."""
        return self._table

    def feed(self, block: bytes) -> None:
        text = self._left + block
        at = 0
        while at < len(text):
            follow = self._skip_rows if self._table is not None else self._skip_line
            after = follow(text, at)
            if after is None:
                break
            at = after
        self._left = text[at:]

    def _skip_rows(self, text: bytes, at: int) -> int | None:
        """Count rows from ``at``, the newline before the first of them; None where more text is needed."""
        table = self._table or ""
        end = text.find(_END, at)
        if end >= 0:
            self.rows[table] += text.count(b"\n", at, end)
            self._table = None
            return end + len(_END)
        # The last newline stays: what follows it may become the end.
        last = text.rfind(b"\n")
        if last <= at:
            return None
        self.rows[table] += text.count(b"\n", at, last)
        return last if last > at else None

    def _skip_line(self, text: bytes, at: int) -> int | None:
        newline = text.find(b"\n", at)
        if newline < 0:
            return None
        line = text[at : newline + 1]
        header = _COPY.fullmatch(line) if line.startswith(b"COPY ") else None
        # A function's text may hold such a line; pg_dump writes a heading above its own.
        headed = any(before.startswith(_HEADING) for before in self.last_lines)
        if line.strip():
            self.last_lines.append(line)
        if header is None or not headed:
            return newline + 1
        self._table = ".".join(_plain(part) for part in header.groups())
        self.rows.setdefault(self._table, 0)
        return newline  # the newline before the first row


def _plain(identifier: bytes) -> str:
    text = identifier.decode(errors="replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
