"""The log: one line an event with its ids, no secret in it, shared by processes, details only of failures."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Redclust
from redclust import logs
from redclust.config import Loaded, LogSettings, Settings
from redclust.db.session import Database

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) +verb=\w+ run=[0-9a-f]{8} pid=\d+"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def events(home: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / "logs" / "redclust.log").read_text().splitlines()]


def test_a_command_that_does_well_leaves_its_lines_and_no_details(
    redclust: Redclust, database: Database, home: Path
) -> None:
    env = {"REDCLUST_HOME": str(home), "DATABASE_URL": database.target.url()}
    done = redclust("jobs", "enqueue", "golang", env=env, check=0)
    lines = (home / "logs" / "redclust.log").read_text().splitlines()
    assert all(LINE.match(line) for line in lines), lines
    assert lines[0].endswith(": began")
    assert "ended with 0 after" in lines[-1]
    assert (home / "logs" / "redclust.log").stat().st_mode & 0o777 == 0o600
    assert list((home / "logs" / "runs").iterdir()) == []
    assert "logs" not in done.stdout + done.stderr
    quiet = redclust("jobs", "list", env={**env, "REDCLUST_QUIET": "1"}, check=0)
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_nothing_is_made_where_there_is_no_home(
    redclust: Redclust, database: Database, tmp_path: Path
) -> None:
    env = {"REDCLUST_HOME": str(tmp_path / "none"), "DATABASE_URL": database.target.url()}
    redclust("jobs", "list", env=env, check=0)
    assert not (tmp_path / "none").exists()


def test_a_failure_names_its_details(redclust: Redclust, home: Path) -> None:
    url = "postgresql://keeper:s3cr3t&word@127.0.0.1:1/none"
    env = {"REDCLUST_HOME": str(home), "DATABASE_URL": url, "REDCLUST_LOG__DEBUG_KEEP": "2"}
    failed = [redclust("jobs", "list", env=env, check=11) for _ in range(3)][-1]
    error, hint = failed.stderr.splitlines()
    assert error.startswith("redclust: database not reachable")
    named = Path(hint.split("; details: ")[1])
    assert named.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in named.read_text()
    assert len(list(named.parent.iterdir())) == 2
    written = (home / "logs" / "redclust.log").read_text()
    assert written.count(" ERROR ") == 3
    assert "(exit 11)" in written
    assert "Traceback" not in written
    for text in (failed.stderr, written, named.read_text()):
        assert "s3cr3t" not in text
    # The command line's own fault is no riddle.
    env["DATABASE_URL"] = ""
    assert "details" not in redclust("db", "log", env=env, check=2).stderr
    # Nor is what was to be expected.
    assert "details" not in redclust("restore", env=env, check=16).stderr
    assert len(list(named.parent.iterdir())) == 2


def test_an_unforeseen_error_is_in_the_details(redclust: Redclust, home: Path) -> None:
    program = (
        "from redclust.ops import config\ndef show(loaded):\n    1 / 0\nconfig.show = show\n"
        "from redclust.cli import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "config", "show"],
        env=redclust.environment({"REDCLUST_LOG__FORMAT": "json"}, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    named = Path(done.stderr.split("; details: ")[1].strip())
    (failure,) = (one for one in map(json.loads, named.read_text().splitlines()) if "trace" in one)
    assert "in show" in failure["trace"]
    assert [one["level"] for one in events(home)] == ["info", "error", "info"]


@pytest.fixture(params=["text", "json"])
def begun(home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A log of settings that hold secrets of every kind."""
    settings = Settings.model_validate(
        {
            "database": {"url": 'postgresql://keeper:pa55"%C3%A9w0rd@db.example/map?sslpassword=k3y'},
            "reddit": {"client_id": "id", "client_secret": "rdtS3CR3T", "refresh_token": "1234-t0ken"},
            "log": {"format": request.param, "level": "debug"},
        }
    )
    loaded = Loaded(settings, home, None)
    logs.begin(loaded, "crawl", logs.known(settings))
    yield home
    logs.end(0)


def test_no_secret_passes(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("redclust.test")
    log.info("at %s", 'postgresql://keeper:pa55"%C3%A9w0rd@db.example/map')
    log.info('decoded: pa55"éw0rd')
    log.warning("a form: %s", {"client_secret": "rdtS3CR3T", "refresh_token": "1234-t0ken"})
    log.info("bare rdtS3CR3T and 1234-t0ken")
    log.info("Authorization: bearer eyJhbGciOi.never-told-us")
    log.info("another one's postgresql://u:0th3r@h/db password=0th3r")
    with logs.bound(job="golang", secret="rdtS3CR3T"):
        log.info("in a job")
    try:
        raise ValueError("trace with rdtS3CR3T")
    except ValueError:
        log.exception("failed")
    (details,) = (begun / "logs" / "runs").iterdir()
    for path in (begun / "logs" / "redclust.log", details):
        text = path.read_text()
        for secret in ("pa55", "w0rd", "rdtS3CR3T", "1234-t0ken", "eyJhbGciOi", "0th3r"):
            assert secret not in text, (path, secret)
        assert text.count("****") >= 8
    assert "trace with ****" in details.read_text()
    assert "golang" in details.read_text()


def test_a_job_that_was_stuck_is_in_the_log_with_its_name(
    redclust: Redclust, database: Database, home: Path
) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO crawl_jobs (subreddit_name, status, started_at) "
            "VALUES ('golang', 'crawling', now() - interval '20 minutes')"
        )
    env = {
        "REDCLUST_HOME": str(home),
        "DATABASE_URL": database.target.url(),
        "REDCLUST_LOG__FORMAT": "json",
        "REDDIT_CLIENT_ID": "id",
        "REDDIT_CLIENT_SECRET": "rdtS3CR3T",
        "REDDIT_USER_AGENT": "linux:redclust:0.1 (by /u/test)",
    }
    redclust("jobs", "pause", env=env, check=0)
    redclust("crawl", "run", "--until-empty", env=env, check=3)
    (reset,) = (one for one in events(home) if "Resetting stuck job golang" in str(one["message"]))
    assert (reset["job"], reset["verb"]) == ("golang", "crawl")
    assert {"time", "level", "run", "pid", "logger"} <= reset.keys()


def test_a_run_of_the_map_has_its_number_in_the_log(
    redclust: Redclust, database: Database, home: Path
) -> None:
    env = {"REDCLUST_HOME": str(home), "DATABASE_URL": database.target.url(), "REDCLUST_LOG__FORMAT": "json"}
    redclust("precalc", env=env, check=3)
    assert any(one.get("precalc") == 1 for one in events(home))


WRITER = """
import logging, sys
from pathlib import Path
from redclust.logs.files import SharedFile
handler = SharedFile(Path(sys.argv[1]), max_bytes=2_000, keep=200)
log = logging.getLogger("writer")
log.addHandler(handler)
for number in range(400):
    log.error("%s %d %s", sys.argv[2], number, "x" * 40)
"""


def test_processes_share_a_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "redclust.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)]) for n in range(4)]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    files = [one for one in path.parent.iterdir() if not one.name.endswith(".lock")]
    lines = [line for one in files for line in one.read_text().splitlines()]
    wanted = {f"{writer} {number} {'x' * 40}" for writer in range(4) for number in range(400)}
    assert len(lines) == len(wanted)
    assert set(lines) == wanted
    assert max(one.stat().st_size for one in files) < 2_500
    assert len(files) > 20


def test_a_log_that_cannot_be_written_fails_no_command(
    redclust: Redclust, database: Database, home: Path
) -> None:
    (home / "logs").write_text("not a directory")
    env = {"REDCLUST_HOME": str(home), "DATABASE_URL": database.target.url()}
    assert redclust("jobs", "list", env=env, check=0).stderr.startswith("redclust: database: ")
    env["REDCLUST_LOG__FILE"] = "/dev/full"
    redclust("jobs", "list", env=env, check=0)


def test_the_log_on_stderr_takes_the_place_of_the_talk(redclust: Redclust, database: Database) -> None:
    env = {"DATABASE_URL": database.target.url(), "REDCLUST_LOG__FILE": "stderr"}
    done = redclust("jobs", "list", env=env, check=0)
    assert all(LINE.match(line) for line in done.stderr.splitlines())
    assert done.stderr.count("database: ") == 1
    assert logs.log_file(LogSettings(), Path("/map")) == Path("/map/logs/redclust.log")
