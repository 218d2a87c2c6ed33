"""Tables on a terminal of 80 columns: of every verb that can be asked without saying more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from healthy import HEALTHY

from harness import Redclust, installed_command
from redclust.db.connect import Connection
from redclust.db.session import Database
from test_cli import ASKED
from warm import Warm

_RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 3
#: What is another from one call to the next, the line below a head, and paths, which may be long.
_ALIKE = re.compile(rf"\d|^{_RULE}|/")
#: Values of any length.
_TOO_LONG = ("config show",)


def test_no_word_is_broken_and_no_row_too_long(
    redclust: Redclust, warm: Callable[[], Warm], database: Database, connection: Connection, tmp_path: Path
) -> None:
    """Each word is one of the same report off a terminal, where nothing is folded."""
    connection.execute(HEALTHY.encode())
    forked = replace(redclust, warm=warm)
    columns = {"COLUMNS": "80", "LINES": "24", "NO_COLOR": "1", "TERM": "dumb"}
    env = {**columns, "REDCLUST_HOME": str(tmp_path), "DATABASE_URL": database.target.url()}
    broken: dict[str, object] = {}
    tables = 0
    for words in (part.strip() for part in re.split(r"[·\n]", ASKED)):
        if not words or words.startswith(_TOO_LONG):
            continue
        arguments = forked.arguments(tuple(words.split()), env, None)[len(installed_command()) :]
        told = warm().on_a_terminal(arguments, forked.environment(env, None), forked.work_dir, 30)
        assert told, words
        whole = set(forked(*words.split(), env=env).stdout.split())
        if found := [word for word in told.split() if word not in whole and not _ALIKE.search(word)]:
            broken[words] = found
        lines = told.splitlines()
        for n, line in enumerate(lines):
            if line.startswith(_RULE):
                tables += 1
                assert max(len(row) for row in lines[n - 1 : n + 2]) <= 80, words
    assert not broken, str(broken)
    assert tables > 10
