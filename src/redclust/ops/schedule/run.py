"""The lines of a crontab, and systemd's units; printed, or written into a directory."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

from redclust.config import Loaded
from redclust.errors import UsageError
from redclust.ops.graph.files import whole_files
from redclust.ops.schedule.plan import File, Job, Plan, ScheduleReport, plan

_PATH = "/usr/local/bin:/usr/bin:/bin"
#: systemd spreads starts over so long itself.
_DELAY = "20min"


def cron(
    loaded: Loaded, *, config: Path | None, env_file: Path | None, user: str | None, directory: Path | None
) -> ScheduleReport:
    """One line a job for that user's crontab; each brings its own environment along.

    A line that succeeds prints nothing. One that fails prints one line, which cron mails, with the exit code
    and why; everything it said is in its log. A run that has not ended keeps the next one from beginning.

    Raises:
        UsageError: no such user, or a path that a crontab cannot hold, or the directory cannot be written.
    """
    made = _plan(loaded, config, env_file, user)
    lines = [
        f"# redclust, for the crontab of {made.user}: crontab -u {made.user} FILE",
        f"# A failure is one line, mailed by cron; everything that was said is in {made.logs}.",
    ]
    for job in made.jobs:
        lines += [f"# {job.meaning}", f"{job.cron.format(m=made.minute)} {_line(made, job)}"]
    report = ScheduleReport("cron", None, (File("redclust.cron", "\n".join(lines) + "\n"),), made.notes)
    return _written(report, directory)


def systemd(
    loaded: Loaded, *, config: Path | None, env_file: Path | None, user: str | None, directory: Path | None
) -> ScheduleReport:
    """A service and a timer each job; systemd itself never runs one twice at a time.

    Raises:
        UsageError: no such user, or the directory cannot be written.
    """
    made = _plan(loaded, config, env_file, user)
    files: list[File] = []
    for job in made.jobs:
        files.append(File(f"redclust-{job.name}.service", _service(made, job)))
        files.append(File(f"redclust-{job.name}.timer", _timer(job)))
    timers = " ".join(f"redclust-{job.name}.timer" for job in made.jobs)
    told = f"into /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now {timers}"
    return _written(ScheduleReport("systemd", None, tuple(files), (told, *made.notes)), directory)


def _plan(loaded: Loaded, config: Path | None, env_file: Path | None, user: str | None) -> Plan:
    try:
        made = plan(loaded, config=config, env_file=env_file, user=user)
    except KeyError:
        raise UsageError(f"there is no user {user} on this machine") from None
    for part in (*made.command, str(made.logs)):
        if re.search(r"[%\n\"\\$]", part):
            raise UsageError(f"{part!r} holds a character that crontabs and units read as their own")
    return made


def _line(made: Plan, job: Job) -> str:
    """A line for /bin/sh that needs nothing of its environment; % would be a line's end in a crontab."""
    log, now, lock = (shlex.quote(str(made.logs / f"{job.name}{end}")) for end in (".log", ".now", ".lock"))
    logs, home = shlex.quote(str(made.logs)), shlex.quote(made.user_home)
    command = shlex.join([*made.command, *job.arguments])
    why = f"{{ grep -h '^redclust: ' {now} || tail -n 1 {now}; }} | head -n 1"
    return (
        f"umask 077; PATH={_PATH}; HOME={home}; REDCLUST_QUIET=1; export PATH HOME REDCLUST_QUIET; "
        f"mkdir -p {logs} && exec 9>{lock} && {{ flock -n 9 || exit 0; }}; "
        f"{command} >{now} 2>&1 9>&-; code=$?; cat {now} >>{log}; "
        f'[ $code = 0 ] || {{ echo "redclust {job.name} failed (exit $code): $({why}); see {made.logs}/'
        f'{job.name}.log"; exit $code; }}'
    )


def _service(made: Plan, job: Job) -> str:
    command = " ".join(f'"{part}"' if " " in part else part for part in (*made.command, *job.arguments))
    return (
        f"[Unit]\nDescription=redclust: {job.meaning}\nAfter=network-online.target postgresql.service\n"
        f"Wants=network-online.target\n\n"
        f"[Service]\nType=oneshot\nUser={made.user}\nUMask=0077\nEnvironment=REDCLUST_QUIET=1\n"
        f"ExecStart={command}\n"
    )


def _timer(job: Job) -> str:
    return (
        f"[Unit]\nDescription=redclust: {job.meaning}\n\n"
        f"[Timer]\nOnCalendar={job.calendar}\nRandomizedDelaySec={_DELAY}\nPersistent=true\n\n"
        f"[Install]\nWantedBy=timers.target\n"
    )


def _written(report: ScheduleReport, directory: Path | None) -> ScheduleReport:
    if directory is None:
        return report
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {directory}: {error.strerror}") from None
    with whole_files(*(directory / one.name for one in report.files)) as files:
        for file, one in zip(files, report.files, strict=True):
            file.write(one.text.encode())
    return replace(report, directory=str(directory))
