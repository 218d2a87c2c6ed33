"""The command line as a whole: exit codes, help, quiet, signals, and what goes where."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness import Redclust, wait_until
from redclust import __version__
from redclust.cli import GLOBAL_OPTIONS
from redclust.cli.app import app
from redclust.db import locks
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.errors import OTHER_EXIT_CODES, RedclustError, exit_code_table
from warm import Warm, all_of

ESCAPE = "\x1b"
NOWHERE = {"REDCLUST_HOME": "/nonexistent/home", "COLUMNS": "500", "TERMINAL_WIDTH": "500"}


@pytest.fixture
def redclust(redclust: Redclust) -> Redclust:
    """Every call by a new interpreter: how the command starts is what is tested here."""
    return replace(redclust, warm=None)


@pytest.fixture
def forked(redclust: Redclust, warm: Callable[[], Warm]) -> Redclust:
    """For what the start has no part in."""
    return replace(redclust, warm=warm)


def python(redclust: Redclust, program: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """The command inside a Python program that looks at it, or breaks something in it."""
    return subprocess.run(
        [sys.executable, "-c", program, *argv],
        env=redclust.environment(NOWHERE, None),
        cwd=redclust.work_dir,
        capture_output=True,
        text=True,
        check=False,
    )


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that call it."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_every_exit_code_has_one_meaning_and_help_says_it(redclust: Redclust) -> None:
    table = exit_code_table()
    codes = [code for code, _ in table]
    assert len(set(codes)) == len(codes)
    assert len({meaning for _, meaning in table}) == len(table)
    told = " ".join(redclust("--help", env=NOWHERE, check=0).stdout.split())
    listed = told.split("Exit codes: ")[1].rstrip(". ").split(" · ")
    assert listed == [f"{code} {meaning}" for code, meaning in table]


def test_the_readme_has_the_same_table_of_exit_codes(pytestconfig: pytest.Config) -> None:
    readme = (pytestconfig.rootpath / "README.md").read_text()
    for code, meaning in exit_code_table():
        assert re.search(rf"^\|\s*{code}\s*\|\s*{re.escape(meaning)}\s*\|", readme, re.MULTILINE), code


def test_every_error_of_the_package_is_in_the_table() -> None:
    def tree(cls: type[RedclustError]) -> Iterator[type[RedclustError]]:
        yield cls
        for child in cls.__subclasses__():
            yield from tree(child)

    own = {cls.exit_code: cls.meaning for cls in tree(RedclustError)}
    assert own | dict(OTHER_EXIT_CODES) == dict(exit_code_table())
    assert not own.keys() & {code for code, _ in OTHER_EXIT_CODES}


HEAVY = {"psycopg", "igraph", "numpy", "pydantic", "matplotlib", "zstandard", "msgspec", "orjson", "yaml"}
#: Typer itself reads the options of a line with it, where there is more than --help.
TYPER_S = {"pydantic"}


@pytest.mark.parametrize(
    "argv", [("--version",), ("--help",), ("db", "--help"), ("import", "--help"), ("nonsense",)]
)
def test_starting_imports_nothing_heavy(redclust: Redclust, argv: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom redclust.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = python(redclust, program, *argv)
    loaded = set(done.stderr.split())
    assert "redclust.cli" in loaded
    assert not loaded & (HEAVY if argv in (("--version",), ("--help",)) else HEAVY - TYPER_S)
    assert not {
        name for name in loaded if name.startswith(("redclust.ops", "redclust.db", "redclust.render"))
    }
    if argv == ("--version",):
        assert not loaded & {"typer", "rich", "redclust.cli.app"}


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("redclust.render.backup redclust.ops.backup redclust.render.restore", {"numpy", "igraph", "praw"}),
        ("redclust.render.precalc redclust.render.graph redclust.ops.graph.nodes", {"numpy", "igraph"}),
        ("redclust.render.doctor redclust.ops.doctor", {"praw", "igraph"}),
        ("redclust.reddit.client redclust.db.session", {"aiohttp", "igraph"}),
    ],
)
def test_who_only_looks_does_not_load_what_computes(
    redclust: Redclust, modules: str, unneeded: set[str]
) -> None:
    program = f"import sys, {', '.join(modules.split())}\nprint(*sys.modules, file=sys.stderr)"
    loaded = set(python(redclust, program).stderr.split())
    assert "redclust.db.session" in loaded
    assert not loaded & unneeded


def test_version_in_both_ways(redclust: Redclust) -> None:
    for argv in (("--version",), ("-q", "--version"), ("db", "--version")):
        assert redclust(*argv, env=NOWHERE, check=0).stdout == f"redclust {__version__}\n"


def test_every_command_and_option_is_explained() -> None:
    paths: list[tuple[str, ...]] = []
    for path, command in commands():
        paths.append(path)
        assert command.help, path
        assert command.help.strip()[0].isupper(), path
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert parameter.help, (path, parameter.opts)
    for path in (("demo",), ("import",), ("precalc", "status"), ("graph", "map"), ("db", "upgrade")):
        assert path in paths


def test_no_command_has_an_option_that_means_something_else_everywhere() -> None:
    """The options of every verb are taken from anywhere in a line: no verb may give one another meaning."""
    for path, command in commands():
        names = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        if path:
            assert not names & {*GLOBAL_OPTIONS, "-v"}, path


@pytest.mark.parametrize(
    "argv",
    [("nonsense",), ("db", "nonsense"), ("db", "status", "--nonsense"), ("db", "status", "--format", "xml")],
)
def test_a_wrong_command_line_is_2(forked: Redclust, argv: tuple[str, ...]) -> None:
    failed = forked(*argv, env=NOWHERE, check=2)
    assert failed.stdout == ""
    assert argv[-1] in failed.stderr


def test_nothing_at_all_shows_the_help(redclust: Redclust) -> None:
    done = redclust(env=NOWHERE)
    assert "redclust demo" in done.stdout
    assert done.returncode in (0, 2)


@pytest.mark.parametrize(
    "argv",
    [("-q", "db", "migrate"), ("db", "--quiet", "migrate"), ("db", "migrate", "-q"), ("db", "migrate")],
)
def test_quiet_anywhere_says_nothing_when_all_is_well(forked: Redclust, argv: tuple[str, ...]) -> None:
    by_name = {} if set(argv) & {"-q", "--quiet"} else {"REDCLUST_QUIET": "1"}
    done = forked(*argv, env=by_name, check=0)
    assert (done.stdout, done.stderr) == ("", "")


def test_quiet_says_what_is_not_well(forked: Redclust) -> None:
    failed = forked("db", "log", "-q", env=NOWHERE, check=2)
    assert failed.stderr.startswith("redclust: ")
    loud = forked("db", "migrate", env={"REDCLUST_QUIET": "0"}, check=0)
    assert "schema: current" in loud.stdout
    assert "database: " in loud.stderr


def test_options_of_every_verb_are_understood_everywhere(forked: Redclust, tmp_path: Path) -> None:
    own = f"--home={tmp_path}"
    for argv in (("config", own, "show"), ("config", "show", "--home", str(tmp_path))):
        assert f"home: {tmp_path}\n" in forked(*argv, check=0).stdout
    # What follows -- is not ours.
    found = forked("db", "psql", "--", "-X", "-q", "-A", "-t", "-c", "SELECT 41 + 1", check=0)
    assert found.stdout == "42\n"
    assert "database: " in found.stderr
    assert forked("config", "show", "--home", check=2).stdout == ""


@pytest.mark.parametrize(
    ("argv", "schema", "fields"),
    [
        (("db", "migrate"), "db.migrate", {"state": "current", "applied_now": 0}),
        (("db", "status"), "db.status", {"kind": "external", "running": True, "schema_state": "current"}),
        (("config", "show"), "config.show", {"file": None}),
        (("config", "check"), "config.check", {"notes": []}),
    ],
)
def test_json_names_its_schema(
    forked: Redclust, argv: tuple[str, ...], schema: str, fields: dict[str, object]
) -> None:
    done = forked(*argv, "--format", "json", check=0)
    document = json.loads(done.stdout)
    assert list(document)[:2] == ["schema", "ok"]
    assert (document["schema"], document["ok"]) == (f"redclust.{schema}/1", True)
    assert fields.items() <= document.items()


def test_an_error_is_one_line_and_one_hint(redclust: Redclust) -> None:
    failed = redclust("db", "log", env=NOWHERE, check=2)
    assert failed.stderr == (
        "redclust: there is no log at /nonexistent/home/postgres/log/server.log yet\n"
        "HINT: redclust db start\n"
    )
    assert failed.stdout == ""


BROKEN = (
    "from redclust.ops import config\n"
    "def show(loaded):\n    raise {error}\n"
    "config.show = show\n"
    "from redclust.cli import main\nmain()\n"
)


@pytest.mark.parametrize("verbose", [("-v",), ("-v", "-v"), ("-vvv",)], ids=" ".join)
def test_a_bug_is_one_line_and_a_hint(redclust: Redclust, verbose: tuple[str, ...]) -> None:
    done = python(redclust, BROKEN.format(error="ZeroDivisionError('one\\ntwo')"), "config", "show", *verbose)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith(
        "redclust: ZeroDivisionError: one two\nHINT: this is a bug in redclust; -vv shows where it happened\n"
    )
    shown = "".join(verbose).count("v") >= 2
    assert ("Traceback" in done.stderr) == shown
    assert ("in show" in done.stderr) == shown
    assert (len(done.stderr.splitlines()) == 2) != shown


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        ("OSError(28, 'No space left on device', '/map')", 1, "No space left on device: /map"),
        ("PermissionError(13, 'Permission denied', '/map')", 11, "Permission denied: /map"),
        ("BrokenPipeError(32, 'Broken pipe')", 1, "Broken pipe"),
        ("KeyboardInterrupt()", 130, ""),
    ],
)
def test_what_the_system_says(redclust: Redclust, error: str, code: int, line: str) -> None:
    """A pipe that breaks elsewhere (to a worker) is no reader that went away."""
    done = python(redclust, BROKEN.format(error=error), "config", "show")
    assert done.returncode == code
    assert done.stderr.startswith(f"redclust: {line}\n" if line else "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "argv", [("config", "show"), ("config", "show", "--format", "json"), ("db", "url"), ("--help",)]
)
def test_a_reader_that_goes_away_is_no_error(redclust: Redclust, argv: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = subprocess.run(
            redclust.arguments(argv, None, None),
            env=redclust.environment(None, None),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")


def test_a_result_that_cannot_be_written_is_not_done(redclust: Redclust) -> None:
    for argv in (("config", "show"), ("config", "show", "--format", "json"), ("--version",)):
        with Path("/dev/full").open("w") as full:
            process = subprocess.run(
                redclust.arguments(argv, NOWHERE, None),
                env=redclust.environment(NOWHERE, None),
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert process.returncode != 0
        assert "No space left on device" in process.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_ends_it_with_its_sessions(
    redclust: Redclust, database: Database, number: signal.Signals, code: int
) -> None:
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'redclust migrate lock'"
    with locks.hold(database.connector, LockName.OPERATIONS), database.connect(autocommit=True) as connection:

        def waiting() -> int:
            row = connection.execute(sessions).fetchone()
            return int(row[0]) if row else 0

        process = redclust.start("db", "migrate")
        wait_until(lambda: waiting() == 1, "it waits for the lock")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (code, "")
        assert "Traceback" not in err
        wait_until(lambda: waiting() == 0, "its session is gone")


def on_a_terminal(redclust: Redclust, env: dict[str, str], *argv: str) -> str:
    leader, follower = pty.openpty()
    done = subprocess.Popen(
        redclust.arguments(argv, env, None),
        env=redclust.environment(env, None),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = all_of(leader)
    done.wait(timeout=10)
    return seen.decode()


def test_colours_and_escapes_are_for_terminals_that_want_them(redclust: Redclust) -> None:
    for argv in (("--help",), ("nonsense",), ("config", "show"), ("db", "log")):
        done = redclust(*argv, env=NOWHERE)
        assert ESCAPE not in done.stdout + done.stderr
    coloured = re.compile(rf"{ESCAPE}\[[\d;]*\b(?:3[0-7]|4[0-7]|9[0-7]|[34]8;)")
    assert coloured.search(on_a_terminal(redclust, NOWHERE, "--help")), "the test sees colours"
    for argv in (("--help",), ("config", "show")):
        assert not coloured.search(on_a_terminal(redclust, {**NOWHERE, "NO_COLOR": "1"}, *argv))


def test_the_result_is_never_cut_off_a_terminal(redclust: Redclust, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200)
    done = redclust("config", "show", env={"REDCLUST_HOME": str(long), "COLUMNS": "80"}, check=0)
    assert str(long) in done.stdout
    done = redclust(
        "config", "show", "--format", "json", env={"REDCLUST_HOME": str(long), "COLUMNS": "80"}, check=0
    )
    assert json.loads(done.stdout)["home"] == str(long)


def test_the_shell_completes(redclust: Redclust) -> None:
    env = {**NOWHERE, "_REDCLUST_COMPLETE": "complete_bash", "COMP_WORDS": "redclust db ", "COMP_CWORD": "2"}
    assert {"status", "migrate", "upgrade"} <= set(redclust(env=env, check=0).stdout.split())


def test_the_module_runs_as_the_script_does(redclust: Redclust) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "redclust", "--version"],
        env=redclust.environment(None, None),
        cwd=redclust.work_dir,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"redclust {__version__}\n"


def test_every_help_fits_a_terminal_of_80_columns(forked: Redclust) -> None:
    for path, _ in commands():
        told = forked(*path, "--help", env={**NOWHERE, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}, check=0)
        assert told.stderr == ""
        assert "Usage: redclust" in told.stdout
        wide = [line for line in told.stdout.splitlines() if len(line) > 80]
        assert not wide, (path, wide)


#: What can be asked of a database without saying more.
ASKED = """
jobs list · crawl status · precalc status · graph show · graph top · graph communities · graph versions
history · doctor · doctor disk · integrity check · integrity stats · integrity bloat · integrity quarantine ls
db status · db activity · db locks · db connections · db slow · db settings · backup ls · backup status
vacuum --dry-run · reindex --all --dry-run · maintenance --dry-run · integrity clean --type all --dry-run
schedule cron · schedule systemd · config show · config check · db migrate --status
"""


def test_every_report_is_json_where_it_is_asked_for(
    forked: Redclust, database: Database, tmp_path: Path
) -> None:
    """Also where the verdict is bad; nothing but the document is on stdout."""
    env = {"REDCLUST_HOME": str(tmp_path / "home"), "DATABASE_URL": database.target.url()}
    for words in re.split(r"[·\n]", ASKED):
        if not words.strip():
            continue
        done = forked(*words.split(), "--format", "json", env=env)
        assert done.returncode in (0, 3), (words, done.stderr)
        document = json.loads(done.stdout)
        assert document["schema"].startswith("redclust."), words
        assert document["ok"] == (done.returncode == 0), words
        assert "Traceback" not in done.stderr, words
