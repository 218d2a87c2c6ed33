"""A page of documentation whose console blocks are run: read, run in order, compared, and written anew.

In a ``console`` block each line that begins with ``$`` is a command, which goes on in lines with ``>``, and
what follows is what it prints. ``…`` stands for what changes: within a line for a part of it, alone in a line
for any lines. Spaces and rules count as one character, however long: they follow the widths of what changes.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ANY = "…"
#: Kinds of fences that hold commands; of these only `console` is run.
COMMANDS = {"console", "bash", "sh"}
_FENCE = re.compile(r"^( *)```(\w*)$")
#: The line above a block that is not run.
_REASON = re.compile(r"^ *\*Not run: (.+)\*$")
_COLUMNS = 80
#: What changes from run to run, as it is written into the page; the first pattern that fits wins.
_CHANGING = (
    (re.compile(r"(?<=_)\d{8}_\d{6}"), ANY),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|[+-]\d\d(:?\d\d)?)?"), ANY),
    (re.compile(r"\b\d\d-\d\d \d\d:\d\d\b"), ANY),
    (re.compile(r"\d[\d,]*(\.\d+)? (bytes|[KMGT]iB)"), rf"{ANY} \2"),
    (re.compile(r"(?<=size=)\d+"), ANY),
    (re.compile(r"\b(\d+m)?\d+(\.\d+)?( ?)(ms|µs|s)\b"), rf"{ANY}\3\4"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), ANY),
    (re.compile(r"\b(process|pid) \d+"), rf"\1 {ANY}"),
    (re.compile(r"\[\d+\]"), f"[{ANY}]"),
    (re.compile(r"Postgres \d+\.\d+"), f"Postgres {ANY}"),
    # What grows with the program, and how well it does, and not with the data.
    (re.compile(r"modularity \d\.\d+"), f"modularity {ANY}"),
    (re.compile(r"Changed rows: \d+ new, \d+ updated, \d+ deleted"), f"Changed rows: {ANY}"),
    (re.compile(r"\b\d+ rows changed$"), f"{ANY} rows changed"),
    (re.compile(r"(schema |current, version |head +fine +version )\d+"), rf"\1{ANY}"),
    (re.compile(r"\d[\d,]* rows (of|in) \d+ tables"), rf"{ANY} rows \1 {ANY} tables"),
    (re.compile(r"\b\d+ (checks|checked|clean|only made|of the system)\b"), rf"{ANY} \1"),
)


@dataclass(frozen=True)
class Command:
    """One command with the lines that the page shows below it; ``line`` is its own, counted from 1."""

    line: int
    text: str
    expected: tuple[str, ...]
    #: Of the lines of the page, those with the output.
    output: slice


@dataclass(frozen=True)
class Block:
    """A fenced block; ``reason`` where the page says why it is not run."""

    line: int
    kind: str
    lines: tuple[str, ...]
    indent: int
    reason: str | None

    def commands(self) -> Iterator[Command]:
        if self.kind != "console":
            return
        starts = [n for n, line in enumerate(self.lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(self.lines)], strict=True):
            first = start + 1
            while first < end and self.lines[first].startswith("> "):
                first += 1
            text = "\n".join(line[2:] for line in self.lines[start:first])
            output = slice(self.line + first, self.line + end)
            yield Command(self.line + 1 + start, text, self.lines[first:end], output)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    found: list[Block] = []
    opened: tuple[int, int, str, str | None] | None = None
    reason: str | None = None
    inside: list[str] = []
    for number, line in enumerate(page.splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened = (number, len(fence[1]), fence[2], reason)
            inside = []
        elif opened is not None and fence:
            at, indent, kind, why = opened
            found.append(Block(at, kind, tuple(inside), indent, why))
            opened = reason = None
        elif opened is not None:
            inside.append(line[opened[1] :])
        elif line.strip():
            told = _REASON.match(line)
            reason = told[1] if told else None
    assert opened is None, "a block is not closed"
    return found


@dataclass
class Shell:
    """Runs one command after the other, as someone would at a terminal of 80 columns.

    Exported variables last to the next command. Stdout is a terminal, stderr is not: bars are for people who
    wait. What is left running is killed by ``end``.
    """

    directory: Path
    environment: Mapping[str, str]
    #: Replaced in what is printed, such as the directory by a name that stays.
    names: Mapping[str, str]
    _groups: list[int] = field(default_factory=list[int])

    def run(self, command: str) -> tuple[int, list[str]]:
        """The exit code, and the lines on stderr and stdout."""
        state = self.directory / ".exported"
        script = f". {state}; {command}\ncode=$?; export -p > {state}; exit $code"
        state.touch()
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, _COLUMNS, 0, 0))
        with tempfile.TemporaryFile() as talk:
            process = subprocess.Popen(
                ["/bin/sh", "-c", script],
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=talk,
                start_new_session=True,
            )
            self._groups.append(process.pid)
            os.close(theirs)
            printed = _read(ours, process)
            os.close(ours)
            talk.seek(0)
            said = talk.read()
        text = said.decode() + printed.decode()
        for name, shown in self.names.items():
            text = text.replace(name, shown)
        return process.returncode, [line.rstrip() for line in text.splitlines()]

    def end(self) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _read(terminal: int, process: subprocess.Popen[bytes]) -> bytes:
    """Everything until the process has ended; one that it left running may hold the terminal open."""
    printed = b""
    while True:
        ended = process.poll() is not None
        try:
            if select.select([terminal], [], [], 0 if ended else 0.05)[0]:
                printed += os.read(terminal, 65_536)
                continue
        except OSError:  # nobody has the other end
            process.wait()
            return printed
        if ended:
            return printed


def _level(line: str) -> str:
    return re.sub(r"─+", "─", " ".join(line.split()))


def _pattern(line: str) -> str:
    return "[^\\n]+?".join(re.escape(part) for part in _level(line).split(ANY))


def matches(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the lines are those of the page, what changes and empty lines at the end aside."""
    pattern = "".join(
        "(?:[^\\n]*\\n)+?" if line.strip() == ANY else f"{_pattern(line)}\\n" for line in _ended(expected)
    )
    return re.fullmatch(pattern, "".join(f"{_level(line)}\n" for line in _ended(printed))) is not None


def _ended(lines: Sequence[str]) -> list[str]:
    # psql ends with an empty line, which nobody looks for in a page.
    return "\n".join(lines).rstrip("\n").splitlines()


def difference(path: Path, command: Command, printed: list[str]) -> str:
    """A unified diff that shows only lines that really differ."""
    with_text = [line for line in command.expected if line.strip() != ANY]
    shown = [
        next((e for e in with_text if re.fullmatch(_pattern(e), _level(line))), line) for line in printed
    ]
    found = difflib.unified_diff(
        command.expected, shown, f"{path.name}:{command.line}: $ {command.text}", "printed", lineterm="", n=2
    )
    return "\n".join(found)


def masked(printed: list[str]) -> list[str]:
    """The lines as they are written into the page."""
    made: list[str] = []
    for line in printed:
        for pattern, shown in _CHANGING:
            line = pattern.sub(shown, line)  # noqa: PLW2901
        made.append(line)
    return made


def rewritten(page: str, outputs: Mapping[int, list[str]]) -> str:
    """The page with other output below the commands of these lines."""
    lines = page.splitlines()
    commands = [(block, command) for block in blocks(page) for command in block.commands()]
    for block, command in reversed(commands):
        if command.line in outputs:
            lines[command.output] = [
                " " * block.indent + line if line else "" for line in masked(outputs[command.line])
            ]
    return "\n".join(lines) + "\n"
