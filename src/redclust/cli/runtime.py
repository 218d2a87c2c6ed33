"""What every command is given: settings, progress, and where its report goes."""

from __future__ import annotations

import os
import pwd
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from redclust.config import Loaded
    from redclust.db.connect import Connector
    from redclust.db.session import Database
    from redclust.report import Progress, Report


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How the report is written.")]


class Runtime:
    """The global options, and what follows from them when a command asks for it."""

    def __init__(
        self,
        *,
        home: Path | None,
        config: Path | None,
        env_file: Path | None,
        database_url: str | None,
        quiet: bool,
        verb: str,
    ) -> None:
        self.home, self.config, self.env_file = home, config, env_file
        self.database_url, self.verb = database_url, verb
        self.quiet = quiet or os.environ.get("REDCLUST_QUIET", "") not in ("", "0")

    @cached_property
    def loaded(self) -> Loaded:
        """Settings of every source, the flags of this command line first; the log begins with them."""
        from redclust import config, logs

        flags: dict[str, dict[str, Any]] = {}
        if self.database_url:
            flags["database"] = {"url": self.database_url}
        home = self.home.absolute() if self.home else None
        loaded = config.load(home=home, file=self.config, env_file=self.env_file, flags=flags)
        logs.begin(loaded, self.verb, logs.known(loaded.settings))
        return loaded

    def env_file_named(self) -> Path | None:
        """The file of `--env-file` or of its name in the environment."""
        named = os.environ.get("REDCLUST_ENV_FILE")
        return self.env_file or (Path(named) if named else None)

    @cached_property
    def progress(self) -> Progress:
        from redclust.logs import Told
        from redclust.render.progress import choose

        loaded: Loaded | None = self.__dict__.get("loaded")
        # A log on stderr says it already.
        logged = loaded is not None and loaded.settings.log.file == "stderr"
        return Told(choose(quiet=self.quiet or logged))

    @contextmanager
    def database(self, verb: str) -> Generator[Database]:
        """The database with a schema that fits, and one quiet line that says which it is."""
        from redclust.db import session

        with session.database(self.loaded, verb) as database:
            self.say(f"database: {session.describe(database.target)}")
            yield database

    @contextmanager
    def server(self, verb: str) -> Generator[Connector]:
        """The database whatever its schema is."""
        from redclust.db import session

        with session.server(self.loaded, verb) as connector:
            self.say(f"database: {session.describe(connector.target)}")
            yield connector

    def say(self, text: str) -> None:
        """One line of talk on stderr, and in the log."""
        self.progress.say(text)

    def finish(
        self, report: Report, fmt: Format = Format.TEXT, *, save: tuple[Report, Path] | None = None
    ) -> None:
        """Print the report, write one into a file where that is asked for, and end with the exit code."""
        self._show(report, fmt)
        if save is not None:
            self._save(*save)
        if not report.ok:
            raise typer.Exit(report.exit_code)

    def _show(self, report: Report, fmt: Format) -> None:
        from redclust.render.output import emit

        if fmt is Format.JSON or not (self.quiet and report.ok):
            emit(report, as_json=fmt is Format.JSON)
        sys.stdout.flush()

    def _save(self, report: Report, path: Path) -> None:
        """Write a report as JSON into a file, whole or not at all."""
        from redclust.ops import doctor
        from redclust.render.output import to_json

        doctor.save(to_json(report), path)
        self.say(f"written: {path}")

    def again_as_cron(self) -> NoReturn:
        """This command line once more, in this process, with nothing but what cron puts into the environment.

        What was named by the environment is gone then, which is what is to be seen.
        """
        account = pwd.getpwuid(os.getuid())
        environment = {
            "HOME": account.pw_dir,
            "LOGNAME": account.pw_name,
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
        }
        arguments = [one for one in sys.argv[1:] if one != "--as-cron"]
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, "-m", "redclust", *arguments], environment)  # noqa: S606 - it is ourselves


@contextmanager
def until_terminated() -> Generator[threading.Event]:
    """An event that SIGTERM sets: a loop that ends by it ends well."""
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)
