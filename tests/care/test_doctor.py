"""doctor: each staged fault fails exactly its own check; what cannot be looked at is not checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bloated import make
from healthy import HEALTHY

from harness import Redclust, kill_server, open_directory, small_file_system, wait_until
from redclust.config import Loaded, Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import doctor
from redclust.ops.doctor import DoctorReport, checks
from redclust.ops.doctor import facts as doctor_facts
from redclust.ops.doctor.checks import CHECKS
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET
from redclust.rehearsal.server import Rehearsal

Loads = Callable[..., Loaded]


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Loads:
    """The settings of this test, with keys of sections changed."""

    def one(**sections: dict[str, Any]) -> Loaded:
        told: dict[str, dict[str, Any]] = {
            # The machine of the tests may be as full and as busy as it likes.
            "doctor": {"disk_warning": 0.99, "disk_critical": 1.0, "connections_warning": 1.0},
            "database": {"url": database.target.url()},
        }
        for name, keys in sections.items():
            told[name] = {**told.get(name, {}), **keys}
        return Loaded(Settings.model_validate(told), tmp_path, None)

    return one


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """``small_disk(bytes)``: a file system of that size, which others may pass through."""
    with ExitStack() as stack:

        def mount(size_bytes: int) -> Path:
            place = tmp_path / "small"
            place.mkdir()
            place.chmod(0o755)
            return stack.enter_context(small_file_system(place, size_bytes))

        yield mount


def fill(place: Path) -> None:
    """To the last byte."""
    for size_bytes in (1 << 16, 1):
        with suppress(OSError), (place / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size_bytes))


def bad(report: DoctorReport) -> dict[str, str]:
    """What is a warning or worse."""
    return {one.check: one.state for one in report.findings if one.state in ("warning", "critical")}


def states(report: DoctorReport, state: str) -> set[str]:
    return {one.check for one in report.findings if one.state == state}


#: A fault by SQL, what takes it away, and which check alone it fails.
STAGED: dict[str, tuple[str, str, dict[str, str]]] = {
    "an index that died": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_graph_nodes_type'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'idx_graph_nodes_type'::regclass",
        {"invalid indexes": "warning"},
    ),
    "integrity found something": (
        "INSERT INTO run_history (verb, started_at, verdict) VALUES ('integrity.check', now(), 'partial')",
        "DELETE FROM run_history WHERE verdict = 'partial'",
        {"integrity": "warning"},
    ),
    "maintenance left something": (
        "INSERT INTO run_history (verb, started_at, verdict) VALUES ('maintenance', now(), 'partial')",
        "DELETE FROM run_history WHERE verdict = 'partial'",
        {"maintenance": "warning"},
    ),
    "an empty graph": (
        "CREATE TABLE aside AS SELECT id, name, val, type FROM graph_nodes; "
        "TRUNCATE graph_nodes, graph_links",
        "INSERT INTO graph_nodes SELECT * FROM aside; DROP TABLE aside",
        {"graph": "critical"},
    ),
    "precalc failed": (
        "INSERT INTO precalc_runs (status, finished_at, error_message, settings) "
        "VALUES ('failed', now(), 'timeout exceeded', '{}')",
        "DELETE FROM precalc_runs WHERE status = 'failed'",
        {"precalc": "critical"},
    ),
    "the graph is older than the data": (
        "UPDATE precalc_runs SET snapshot_at = now() - interval '4 h'; "
        "INSERT INTO import_files (fingerprint, filters, name, kind, state, rows_read, finished_at) "
        "VALUES ('f', '', 'a.zst', 'comments', 'complete', 1, now() - interval '1 h')",
        "UPDATE precalc_runs SET snapshot_at = now(); DELETE FROM import_files",
        {"precalc": "warning"},
    ),
    "crawls fail": (
        "INSERT INTO crawl_runs (job_id, token, outcome, pages) SELECT id, n, 'failed', 0 "
        "FROM crawl_jobs, generate_series(11, 12) AS n",
        "DELETE FROM crawl_runs WHERE outcome = 'failed'",
        {"crawls": "critical"},
    ),
    "a job failed": (
        "INSERT INTO crawl_jobs (subreddit_name, status) VALUES ('rust', 'failed')",
        "DELETE FROM crawl_jobs WHERE status = 'failed'",
        {"jobs": "warning"},
    ),
    "a job is stuck": (
        "INSERT INTO crawl_jobs (subreddit_name, status, lease_until, page_at) "
        "VALUES ('rust', 'crawling', now() + interval '1 min', now() - interval '16 min')",
        "DELETE FROM crawl_jobs WHERE status = 'crawling'",
        {"jobs": "warning"},
    ),
    "a job waits": (
        "INSERT INTO crawl_jobs (subreddit_name, run_at) VALUES ('rust', now() - interval '25 h')",
        "DELETE FROM crawl_jobs WHERE status = 'pending'",
        {"queue": "warning"},
    ),
    "the breaker is open": (
        "UPDATE api_budgets SET failures = 5, open_until = now() + interval '1 min', last_failure = '503'",
        "UPDATE api_budgets SET failures = 0, open_until = NULL",
        {"breaker": "critical"},
    ),
    "Reddit said 429": (
        "UPDATE api_budgets SET halted_until = now() + interval '1 min', halt_reason = '429'",
        "UPDATE api_budgets SET halted_until = NULL",
        {"breaker": "warning"},
    ),
}
#: A limit that the healthy database does not keep.
BEYOND: dict[str, tuple[dict[str, dict[str, Any]], dict[str, str]]] = {
    "disk": ({"doctor": {"disk_warning": 1e-9}}, {"disk": "warning"}),
    "disk, full": ({"doctor": {"disk_warning": 1e-9, "disk_critical": 1e-9}}, {"disk": "critical"}),
    "connections": ({"doctor": {"connections_warning": 1e-9}}, {"connections": "warning"}),
    "wraparound": ({"doctor": {"wraparound": 1e-9}}, {"wraparound": "warning"}),
    "clocks": ({"doctor": {"clock_max_s": 1e-9}}, {"clocks": "warning"}),
    "drill": ({"doctor": {"drill_max_age": "0.01s"}}, {"backup drill": "warning"}),
    "integrity": ({"doctor": {"integrity_max_age": "0.01s"}}, {"integrity": "warning"}),
    "maintenance": ({"doctor": {"maintenance_max_age": "0.01s"}}, {"maintenance": "warning"}),
    "backup": ({"backup": {"max_age": "0.01s"}}, {"backup": "critical"}),
    "credentials": ({"reddit": {"client_id": "abc"}}, {"credentials": "warning"}),
}


def test_each_fault_fails_its_own_check_alone(
    connection: Connection,
    load: Loads,
    redclust: Redclust,
    database: Database,
    tmp_path: Path,
    work_dir: Path,
    session: Callable[..., Any],
) -> None:
    connection.execute(HEALTHY.encode())
    line = ("--database-url", database.target.url(), "--home", str(tmp_path))
    redclust(*line, "backup", "now", check=0)
    redclust(*line, "backup", "drill", check=0)
    # Where both places are on one disk that is said, and is no fault of the test's.
    (place,) = (one for one in doctor.examine(load()).findings if one.check == "backup place")
    same_disk = {"backup place": "warning"} if place.state == "warning" else {}
    same = tmp_path.stat().st_dev == work_dir.stat().st_dev
    assert bool(same_disk) is same
    report = doctor.examine(load())
    assert bad(report) == same_disk
    assert states(report, "ok") >= {"backup", "backup drill", "graph", "precalc", "crawls", "integrity"}
    assert states(report, "not checked") == set()
    seen: set[str] = set()
    for what, (fault, mended, expected) in STAGED.items():
        connection.execute(fault.encode())
        found = doctor.examine(load())
        assert bad(found) == same_disk | expected, what
        assert all(one.command for one in found.findings if one.check in expected), what
        connection.execute(mended.encode())
        seen |= set(expected)
    facts = doctor_facts.gather(load())
    for what, (sections, expected) in BEYOND.items():
        if sections.keys() == {"doctor"}:
            judged = checks.run(checks.Look(facts, load(**sections).settings))
            found = DoctorReport(facts.at, judged)
        else:
            found = doctor.examine(load(**sections))
        assert bad(found) == same_disk | expected, what
        seen |= set(expected)
    beside = load(backup={"target": str(work_dir / "beside")})
    assert bad(doctor.examine(beside)) == {"backup place": "warning"}
    with long_transaction(session):
        late = load(doctor={"transaction_max_age": "0.01s"})
        assert bad(doctor.examine(late)) == same_disk | {"long transactions": "warning"}
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    assert bad(doctor.examine(load(maintenance={"bloat_min_mb": 0.1}))) == same_disk | {"bloat": "warning"}
    connection.execute("DROP TABLE much")
    connection.execute(
        "CREATE TABLE aside AS SELECT * FROM redclust_migrations ORDER BY version DESC LIMIT 1"
    )
    connection.execute("DELETE FROM redclust_migrations WHERE version IN (SELECT version FROM aside)")
    behind = doctor.examine(load())
    assert bad(behind) == same_disk | {"schema": "critical"}
    assert states(behind, "not checked") == {one.name for one in CHECKS if one.fact in _OF_THE_SCHEMA}
    seen |= {"backup place", "long transactions", "bloat", "schema", *ELSEWHERE}
    assert {one.name for one in CHECKS} == seen


#: What other tests stage.
ELSEWHERE = {"database", "server log", "redclust log"}
_OF_THE_SCHEMA = {"bloat", "runs", "graph", "crawling"}


@contextmanager
def long_transaction(session: Callable[..., Any]) -> Generator[None]:
    other = session("forgotten")
    other.execute("SELECT 1")
    try:
        yield
    finally:
        other.rollback()


def test_a_full_disk_is_critical_and_nothing_else_is(
    small_disk: Callable[[int], Path], connection: Connection, load: Loads
) -> None:
    connection.execute(HEALTHY.encode())
    place = small_disk(1 << 20)
    fill(place)
    told = load(doctor={"disk_warning": 0.8, "disk_critical": 0.99})
    report = doctor.examine(replace(told, home=place))
    assert bad(report) == {"disk": "critical"}
    (disk,) = (one for one in report.findings if one.check == "disk")
    assert disk.figure.startswith("home 100%, backups 100%")
    assert disk.command == "redclust doctor disk"


def test_a_full_disk_under_the_server_is_what_it_says(redclust: Redclust, work_dir: Path) -> None:
    """While the server runs on it, and when it has died of it; a report that finds no room is an error."""
    with small_file_system(open_directory(work_dir), 160 << 20) as home:
        try:
            redclust("db", "start", home=home, check=0)
            redclust("db", "migrate", home=home, check=0)
            fill(home)
            running = redclust("doctor", "--format", "json", home=home, check=3)
            told = {one["check"]: one for one in json.loads(running.stdout)["findings"]}
            assert told["disk"]["state"] == "critical"
            assert "database 100%" in told["disk"]["figure"]
            assert told["database"]["state"] == "ok"
            assert running.stderr == ""
            unwritten = redclust("doctor", "--report", str(home / "report.json"), home=home, check=1)
            assert "database 100%" in unwritten.stdout
            assert (
                unwritten.stderr == f"redclust: No space left on device: {home}\nHINT: redclust doctor disk\n"
            )
            kill_server(home)
            fill(home)
            dead = redclust("doctor", home=home, check=3)
            assert re.search(r"database +critical .*No space left on device", dead.stdout)
            assert "Traceback" not in dead.stdout + dead.stderr
            assert re.search(r"\n  disk +redclust doctor disk\n", dead.stdout)
        finally:
            kill_server(home)


def test_with_all_connections_in_use_that_is_what_it_says(
    connection: Connection, database: Database, load: Loads
) -> None:
    connection.execute(HEALTHY.encode())
    held: list[Any] = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(database.target.conninfo))
        full = doctor.examine(load())
        assert bad(full) == {"database": "critical"}
        assert "too many clients" in next(one.figure for one in full.findings if one.check == "database")
        for _ in range(6):
            held.pop().close()
        wait_until(lambda: bad(doctor.examine(load())).keys() == {"connections"}, "it can be looked at again")
        many = doctor.examine(load())
        assert bad(many) == {"connections": "critical"}
    finally:
        for one in held:
            one.close()


def test_reddit_is_asked_whether_it_takes_the_credentials(
    connection: Connection, load: Loads, rehearse: Callable[..., Rehearsal]
) -> None:
    connection.execute(HEALTHY.encode())
    url = rehearse().url
    given = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "user_agent": "linux:redclust-test:1 (by /u/somebody)",
        "oauth_url": url,
        "reddit_url": url,
    }
    told = {
        "accepted": ({}, "ok", "set and accepted"),
        "refused": ({"client_secret": "another"}, "critical", "refuses the client id or its secret"),
        "nobody there": ({"reddit_url": "http://127.0.0.1:1", "timeout_s": 1}, "ok", "could not be seen"),
    }
    for what, (changed, state, figure) in told.items():
        report = doctor.examine(load(reddit={**given, **changed}), ask_reddit=True)
        (found,) = (one for one in report.findings if one.check == "credentials")
        assert (found.state, figure in found.figure) == (state, True), (what, found)
        assert "another" not in found.figure
        assert bad(report).keys() <= {"credentials"}


def test_a_role_without_rights_is_told_what_it_may_not_see(
    make_role: Callable[..., str], acting_as: Callable[[str], Database], load: Loads
) -> None:
    url = acting_as(make_role()).target.url()
    report = doctor.examine(load(database={"url": url}))
    assert bad(report) == {}
    assert states(report, "not checked") >= {"graph", "precalc", "crawls", "integrity"}
    assert "Permission denied" in next(one.figure for one in report.findings if one.check == "graph")
    assert (report.exit_code, doctor.examine(load(database={"url": url}), nagios=True).exit_code) == (0, 3)


def test_with_the_database_down_its_dependants_are_not_checked(redclust: Redclust, tmp_path: Path) -> None:
    url = "postgresql://keeper:s3cr3t@127.0.0.1:1/none"
    line = ("--database-url", url, "--home", str(tmp_path), "doctor")
    disk = {"REDCLUST_DOCTOR__DISK_WARNING": "0.99", "REDCLUST_DOCTOR__DISK_CRITICAL": "1"}
    report = tmp_path / "report.json"
    done = redclust(*line, "--format", "json", "--report", str(report), env=disk, check=3)
    findings = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
    assert [name for name, one in findings.items() if one["state"] == "critical"] == ["database"]
    assert findings["database"]["figure"].startswith("database not reachable")
    dependants = {one.name for one in CHECKS if one.fact in {*_OF_THE_SCHEMA, "schema", "activity", "ages"}}
    assert {findings[name]["state"] for name in dependants} == {"not checked"}
    assert "s3cr3t" not in done.stdout + done.stderr + report.read_text()
    assert json.loads(report.read_text())["schema"] == "redclust.doctor.report/1"
    plugin = redclust(*line, "--nagios", env=disk, check=2)
    assert plugin.stdout.startswith("REDCLUST CRITICAL - database: database not reachable")
    assert plugin.stdout.count("\n") == 1


def test_a_server_that_was_killed_is_started_for_the_question(redclust: Redclust, home: Path) -> None:
    env = {"REDCLUST_DOCTOR__DISK_WARNING": "0.99", "REDCLUST_DOCTOR__DISK_CRITICAL": "1"}
    before = redclust("doctor", "--format", "json", home=home, env=env, check=0)
    told = {one["check"]: one["state"] for one in json.loads(before.stdout)["findings"]}
    assert (told["database"], told["graph"]) == ("not set up", "not checked")
    assert not (home / "postgres").exists(), "nothing was made"
    redclust("db", "start", home=home, check=0)
    redclust("db", "migrate", home=home, check=0)
    kill_server(home)
    after = redclust("doctor", "--format", "json", home=home, env=env, check=3)
    told = {one["check"]: one["state"] for one in json.loads(after.stdout)["findings"]}
    assert (told["database"], told["schema"], told["graph"]) == ("ok", "ok", "not set up")
    assert (told["server log"], told["backup place"]) == ("ok", "warning")
    with (home / "postgres" / "log" / "server.log").open("a") as log:
        log.writelines(f"2026-01-01 00:00:00 UTC [{n}] ERROR:  something\n" for n in range(100))
    (logged,) = (
        one for one in doctor.examine(Loaded(Settings(), home, None)).findings if one.check == "server log"
    )
    assert (logged.state, logged.threshold) == ("warning", "under 5%")


def test_as_cron_nothing_comes_from_the_environment(redclust: Redclust, tmp_path: Path) -> None:
    env = {"REDCLUST_DOCTOR__CLOCK_MAX_S": "0.000000001", "REDCLUST_HOME": str(tmp_path / "of the shell")}
    line = ("--database-url", "postgresql://x@127.0.0.1:1/x", "--home", str(tmp_path), "doctor")
    done = redclust(*line, "--as-cron", "--report", str(tmp_path / "r.json"), env=env)
    assert done.returncode == 3, done.stderr
    assert "database not reachable" in done.stdout
    settings = json.loads((tmp_path / "r.json").read_text())["settings"]
    assert settings == {}, "what the shell had set is not seen"
