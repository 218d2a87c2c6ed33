"""``doctor``: every check against its threshold, and the diagnostics for an issue."""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from redclust import __version__
from redclust.config import Loaded
from redclust.ops import config
from redclust.ops.doctor import checks, facts
from redclust.ops.doctor.checks import Finding
from redclust.ops.doctor.disk import Disk
from redclust.ops.doctor.facts import Missing
from redclust.ops.graph.files import whole_files
from redclust.report import Report

_BAD = ("warning", "critical")
#: Settings that name a machine, a person or an account; a report for an issue does not need them.
_PRIVATE = re.compile(r"url|secret|token|client_id|user_agent|recipients|identity|target|assertions")


@dataclass(frozen=True, slots=True)
class DoctorReport(Report):
    """One finding a check; not ok when one is a warning or critical.

    What was never set up, and what could not be checked, is neither; ``nagios`` chooses the exit codes of
    monitoring plugins, where what could not be checked is *unknown*.
    """

    verb: ClassVar[str] = "doctor"
    at: datetime
    findings: tuple[Finding, ...]
    nagios: bool = False

    @property
    def ok(self) -> bool:
        return not self.exit_code

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each state."""
        return dict(Counter(one.state for one in self.findings))

    @property
    def exit_code(self) -> int:
        there = self.counts
        if not self.nagios:
            return 3 if there.keys() & set(_BAD) else 0
        return 2 if "critical" in there else 1 if "warning" in there else 3 if "not checked" in there else 0


@dataclass(frozen=True, slots=True)
class Diagnostics(Report):
    """What an issue needs: versions, settings without those that name somebody, and the findings."""

    verb: ClassVar[str] = "doctor.report"
    at: datetime
    redclust_version: str
    python_version: str
    system: str
    settings: dict[str, str]
    findings: tuple[Finding, ...]
    disks: tuple[Disk, ...]
    runs: dict[str, str]
    bad: bool

    @property
    def ok(self) -> bool:
        return not self.bad


def examine(loaded: Loaded, *, nagios: bool = False, ask_reddit: bool = False) -> DoctorReport:
    """Gather every fact once and judge it; changes nothing, but starts the embedded server."""
    found = facts.gather(loaded, ask_reddit=ask_reddit)
    return DoctorReport(found.at, checks.run(checks.Look(found, loaded.settings)), nagios)


def diagnose(loaded: Loaded) -> Diagnostics:
    """The same, with what whoever reads an issue asks for next."""
    found = facts.gather(loaded)
    findings = checks.run(checks.Look(found, loaded.settings))
    runs = {} if isinstance(found.runs, Missing) else found.runs
    return Diagnostics(
        at=found.at,
        redclust_version=__version__,
        python_version=sys.version.split()[0],
        system=platform.platform(),
        settings={
            one.key: one.value
            for one in config.show(loaded).settings
            if one.origin != "default" and not _PRIVATE.search(one.key)
        },
        findings=findings,
        disks=() if isinstance(found.disks, Missing) else found.disks,
        runs={verb: f"{run.verdict} at {run.finished_at:%Y-%m-%d %H:%M}" for verb, run in runs.items()},
        bad=any(one.state in _BAD for one in findings),
    )


def save(document: str, path: Path) -> None:
    """Write a document whole; an existing file is replaced only by a whole one."""
    with whole_files(path) as (file,):
        file.write(document.encode() + b"\n")
