"""What can go wrong, and the exit code each kind ends with.

One class an exit code, so that a caller (cron, a script, a person at night) can tell them apart by the
number alone. The message names the file, line, key or option; ``hint`` is the one thing to do next.
"""

from __future__ import annotations

from typing import ClassVar


class RedclustError(Exception):
    """A failure that was foreseen: printed as one line and one hint, never as a traceback."""

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "a bug in redclust, or this machine failed it (disk, memory)"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RedclustError):
    exit_code = 2
    meaning = "usage: an option or argument is wrong"


class ConfigError(RedclustError):
    exit_code = 10
    meaning = "configuration: an unknown key or a bad value"


class DatabaseUnreachable(RedclustError):
    exit_code = 11
    meaning = "database not reachable, or permission denied"


class SchemaMismatch(RedclustError):
    exit_code = 12
    meaning = "schema missing, or of another version or kind"


class Locked(RedclustError):
    exit_code = 13
    meaning = "locked by another run"


class ToolError(RedclustError):
    exit_code = 14
    meaning = "a Postgres tool is missing, too old, or failed"


class RedditRefused(RedclustError):
    exit_code = 15
    meaning = "Reddit refused, or the budget or the retries ran out"


class ArtefactUnusable(RedclustError):
    exit_code = 16
    meaning = "an artefact (a dump, a backup) cannot be used"


class Refused(RedclustError):
    exit_code = 17
    meaning = "refused for safety"


#: Exit codes that are not an error of ours: ``(code, meaning)``.
OTHER_EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "done"),
    (3, "ran to the end; the verdict is bad or partial"),
    (130, "interrupted (Ctrl-C)"),
    (141, "the reader of the output went away (SIGPIPE)"),
    (143, "terminated (SIGTERM)"),
)


def exit_code_table() -> list[tuple[int, str]]:
    """Every exit code with its one meaning, ascending: the table of ``--help`` and README."""
    classes: list[type[RedclustError]] = [RedclustError, *RedclustError.__subclasses__()]
    return sorted([*OTHER_EXIT_CODES, *((cls.exit_code, cls.meaning) for cls in classes)])
