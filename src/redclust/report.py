"""The two things every operation gives back: a report at its end, and progress on its way."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Report:
    """What a verb found or did; ``render`` makes it a table or JSON.

    Subclasses are frozen dataclasses whose fields are JSON values, dataclasses, or tuples of these.
    ``verb`` names the JSON schema: ``redclust.<verb>/1``. Fields are only ever added.
    """

    verb: ClassVar[str]

    @property
    def ok(self) -> bool:
        """False when the run came to its end but the verdict is bad or partial."""
        return True

    @property
    def exit_code(self) -> int:
        """0, or 3 for a bad or partial verdict; a report may have a worse one of ``errors.py``."""
        return 0 if self.ok else 3


class Task(Protocol):
    """One step of long work, in whatever unit its total was given."""

    def advance(self, amount: float) -> None: ...
    def total(self, total: float) -> None: ...
    def note(self, text: str) -> None:
        """Show a short text (a rate, a count) beside the bar."""
        ...


class Progress(Protocol):
    """Where long work tells how far it is; ``total=None`` where the end is not known."""

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]: ...

    def say(self, text: str) -> None:
        """One line of talk, above the bars."""
        ...


class _SilentTask:
    def advance(self, amount: float) -> None: ...
    def total(self, total: float) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        yield _SilentTask()

    def say(self, text: str) -> None: ...
