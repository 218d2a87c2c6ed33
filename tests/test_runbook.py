"""docs/runbook.md: its commands do what it says, and the operator's runbook is in it whole.

``make runbook`` writes what differs into the page: look at it with ``git diff``.
"""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import page
import warm
from harness import SOAK, dispose, installed_command, open_directory, take_settings_out

#: How many blocks of commands may carry a reason instead of being run.
NOT_RUN_AT_MOST = 10
HEADING = re.compile(r"^(#{2,3}) (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def path(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "docs" / "runbook.md"


@pytest.fixture(scope="module")
def shell(work_dir: Path, bin_dir: Path | None) -> Iterator[page.Shell]:
    directory = open_directory(work_dir)
    kept = dict(os.environ)
    take_settings_out(kept)
    # A hundred and fifty commands: with the installed one two thirds of the time would be Python's imports.
    warmed = None if SOAK else warm.start(directory)
    script = directory if warmed else Path(installed_command()[0]).parent
    environment = {
        **kept,
        "PATH": f"{script}{os.pathsep}{os.defpath}",
        "HOME": str(directory),
        "TERM": "dumb",
        "NO_COLOR": "1",
    }
    if bin_dir:
        environment["REDCLUST_DATABASE__BIN_DIR"] = str(bin_dir)
    program = str(Path(installed_command()[0]).parent)
    made = page.Shell(directory, environment, {str(directory): "/home/you", program: "/usr/local/bin"})
    yield made
    made.end()
    if warmed:
        os.killpg(warmed.pid, signal.SIGKILL)
        warmed.wait()
    dispose(directory / "map")


def told(printed: list[str]) -> list[str]:
    """Without the line that names the database, which is the same below every command."""
    return [line for line in printed if not line.startswith("redclust: database: ")]


@pytest.mark.long
def test_every_command_does_what_the_page_says(
    path: Path, shell: page.Shell, told_at_the_end: Callable[[str], None]
) -> None:
    text = path.read_text()
    outputs: dict[int, list[str]] = {}
    wrong: list[str] = []
    ran = [block for block in page.blocks(text) if block.kind == "console" and not block.reason]
    commands = [command for block in ran for command in block.commands()]
    for command in commands:
        code, printed = shell.run(command.text)
        printed = told(printed)
        if code:
            wrong.append(f"{path.name}:{command.line}: exit {code}: $ {command.text}\n" + "\n".join(printed))
        if not page.matches(command.expected, printed):
            outputs[command.line] = printed
            wrong.append(page.difference(path, command, printed))
    if os.environ.get("WRITE_RUNBOOK"):
        path.write_text(page.rewritten(text, outputs))
    told_at_the_end(f"runbook: {len(ran)} blocks with {len(commands)} commands were run")
    assert not wrong, "\n\n".join(wrong) + "\n\nmake runbook writes it anew"


def test_a_block_that_is_not_run_says_why(path: Path, told_at_the_end: Callable[[str], None]) -> None:
    found = page.blocks(path.read_text())
    of_commands = [block for block in found if block.kind in page.COMMANDS]
    not_run = [block for block in of_commands if block.reason]
    told_at_the_end(f"runbook: {len(of_commands)} blocks of commands, {len(not_run)} of them not run")
    for block in not_run:
        told_at_the_end(f"  line {block.line}: {block.reason}")
    assert len(not_run) <= NOT_RUN_AT_MOST
    for block in of_commands:
        assert block.reason or (block.kind == "console" and next(block.commands(), None)), block.line
        assert block.lines[0].startswith("$ ") or block.kind != "console", block.line
    # No command hides in a block of another kind.
    for block in found:
        if block not in of_commands:
            assert block.kind, f"line {block.line}: a block without a kind"
            assert not [line for line in block.lines if line.startswith(("$ ", "redclust "))], block.line


def test_the_operators_runbook_is_in_it_whole(path: Path, pytestconfig: pytest.Config) -> None:
    """The same headings in the same order; what is redclust's own comes after them."""
    operators = pytestconfig.rootpath / ".." / "shared" / "runbook.md"
    if not operators.exists():
        pytest.skip(f"no runbook: {operators.resolve()} is not there")
    wanted = headings(operators.read_text())
    ours = headings(path.read_text())
    assert len(wanted) > 40
    assert ours[: len(wanted)] == wanted
    assert not [name for name, times in Counter(ours).items() if times > 1]


def headings(text: str) -> list[str]:
    """Headings outside of blocks."""
    outside = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(found) for found in HEADING.findall(outside)]


def test_it_tells_what_differs() -> None:
    (block,) = page.blocks(
        "1. So:\n\n   ```console\n   $ ls \\\n   > -l\n   a   … 12\n   …\n   ──\n   z\n   ```\n"
    )
    (command,) = block.commands()
    assert (command.line, command.text) == (4, "ls \\\n-l")
    assert page.matches(command.expected, ["a b  12", "x", "y", "─────", "z"])
    for printed in (["a 12", "x", "─", "z"], ["a b 12", "─", "z"], ["a b 12", "x", "─", "z", "more"], []):
        assert not page.matches(command.expected, printed)
    shown = page.difference(Path("runbook.md"), command, ["a b 13", "x", "─", "z"])
    assert "runbook.md:4: $ ls" in shown
    assert "\n-a   … 12\n" in shown
    assert "\n+a b 13\n" in shown
    assert "-z" not in shown


def test_it_writes_what_differs() -> None:
    before = "```console\n$ one\n1\n$ two\n2\n```\n"
    after = page.rewritten(before, {4: ["at 2026-11-24 13:36:59 UTC in 0.4s", "size=12"]})
    assert after == "```console\n$ one\n1\n$ two\nat … in …s\nsize=…\n```\n"
