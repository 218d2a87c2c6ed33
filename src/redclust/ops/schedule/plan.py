"""What is to run, when, and with what: the same for cron and for systemd."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redclust.config import Loaded
from redclust.db.target import LIBPQ_NAMES
from redclust.report import Report

#: Minutes within which the runs of different machines are spread.
_SPREAD_MIN = 20


@dataclass(frozen=True, slots=True)
class Job:
    """One command: ``cron`` with ``{m}`` for the minute of this machine, and systemd's ``calendar``."""

    name: str
    arguments: tuple[str, ...]
    cron: str
    calendar: str
    meaning: str


@dataclass(frozen=True, slots=True)
class File:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ScheduleReport(Report):
    """The files as they are, or stand in ``directory``; ``notes`` say what to do, and what is left out."""

    verb: ClassVar[str] = "schedule"
    kind: str
    directory: str | None
    files: tuple[File, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of an installation, and what each command line begins with."""

    jobs: tuple[Job, ...]
    command: tuple[str, ...]
    user: str
    user_home: str
    logs: Path
    minute: int
    notes: tuple[str, ...]


_JOBS = (
    Job("precalc", ("precalc",), "{m} * * * *", "hourly", "the map, every hour"),
    Job("backup", ("backup", "now"), "{m} 2 * * *", "*-*-* 02:00", "a verified backup, every day"),
    Job("doctor", ("doctor", "--nagios"), "{m} 7 * * *", "*-*-* 07:00", "is all well, every day"),
    Job("drill", ("backup", "drill"), "{m} 4 * * 0", "Sun 04:00", "a rehearsed restore, every week"),
    Job("maintenance", ("maintenance",), "{m} 5 * * 0", "Sun 05:00", "a round of care, every week"),
    Job("integrity", ("integrity", "check"), "{m} 6 1 * *", "*-*-01 06:00", "the data, every month"),
)
_CRAWL = Job(
    "crawl",
    ("crawl", "run", "--until-empty", "--for", "2h"),
    "*/15 * * * *",
    "*:0/15",
    "whatever waits in the queue",
)


def plan(loaded: Loaded, *, config: Path | None, env_file: Path | None, user: str | None) -> Plan:
    """What this configuration needs; absolute paths throughout.

    Raises:
        KeyError: there is no such user on this machine.
    """
    account = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    notes: list[str] = []
    jobs = list(_JOBS)
    if loaded.settings.reddit.client_id:
        jobs.insert(0, _CRAWL)
    else:
        notes.append("crawl is left out: there are no credentials for Reddit's API (REDDIT_CLIENT_ID)")
    command = [_executable(), "--home", str(loaded.home)]
    if (file := config or loaded.file) is not None:
        command += ["--config", str(file.absolute())]
    if env_file is not None:
        command += ["--env-file", str(env_file.absolute())]
    lost = sorted({key for key, origin in loaded.origins.items() if origin.endswith("(environment)")})
    lost += [name for name in LIBPQ_NAMES if os.environ.get(name)]
    if lost:
        notes.append(
            f"of this shell alone, and not of the schedule: {', '.join(lost)}; put it into --env-file"
        )
    # The same minute each time that it is printed, and another one on another machine.
    minute = zlib.crc32(f"{os.uname().nodename} {loaded.home}".encode()) % _SPREAD_MIN
    logs = loaded.home / "logs"
    return Plan(tuple(jobs), tuple(command), account.pw_name, account.pw_dir, logs, minute, tuple(notes))


def _executable() -> str:
    beside = Path(sys.executable).parent / "redclust"
    return str(beside) if beside.exists() else shutil.which("redclust") or "redclust"
