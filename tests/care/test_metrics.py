"""metrics: what Prometheus' own parser reads, by its conventions; and an alert for each cause."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from healthy import HEALTHY
from prometheus_client.parser import text_string_to_metric_families

from harness import Redclust, wait_until
from redclust.config import Loaded, Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.logs.lines import Lines
from redclust.ops import doctor
from redclust.ops.doctor import checks, facts
from redclust.ops.doctor.disk import Disk
from redclust.ops.doctor.log_errors import LINES, LogErrors, of_redclust
from redclust.ops.metrics.families import families

Samples = dict[str, list[tuple[dict[str, str], float]]]
#: Base units, and what counts things.
UNITS = re.compile(r"_(seconds|bytes|ratio|total|info|ok|up)$")
COUNTS = {
    *(
        "up",
        "check_state",
        "connections",
        "connections_limit",
        "database_transaction_age",
        "backups_verified",
    ),
    *(
        "backup_failures",
        "jobs",
        "jobs_stuck",
        "queue_ready",
        "crawl_paused",
        "crawl_workers",
        "crawls_recent",
    ),
    *("reddit_budget_remaining", "reddit_breaker_open", "precalc_failures", "integrity_findings"),
    *("table_rows", "table_dead_rows", "graph_nodes", "graph_links"),
}
DAY_S = 86_400.0
#: Of every alert's expression: it can be judged without a Prometheus.
SHAPE = r"(time\(\) - )?(redclust_\w+)(?:\{(\w+)=\"([^\"]*)\"\})? (>|==) ([\d.]+)"


def parsed(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def rules(config: pytest.Config) -> dict[str, str]:
    document = yaml.safe_load((config.rootpath / "docs" / "alerts.yml").read_text())
    return {rule["alert"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}


def fires(expression: str, samples: Samples, now_s: float) -> bool:
    """Whether an alert's expression is true of these samples."""
    told = re.fullmatch(SHAPE, expression)
    assert told, expression
    since, name, label, wanted, how, limit = told.groups()
    for labels, value in samples.get(name, []):
        if label and labels.get(label) != wanted:
            continue
        figure = now_s - value if since else value
        if figure > float(limit) if how == ">" else figure == float(limit):
            return True
    return False


def samples_of(found: facts.Facts, loaded: Loaded) -> Samples:
    return {
        name: [(dict(s.labels), s.value) for s in family.samples]
        for family in families(found, checks.run(checks.Look(found, loaded.settings)))
        for name in {s.name for s in family.samples}
    }


def test_prometheus_reads_it_and_the_names_are_as_it_wants(
    redclust: Redclust, database: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(HEALTHY.encode())
    text = redclust("metrics", check=0).stdout
    samples = parsed(text)
    assert samples["redclust_up"] == [({}, 1.0)]
    assert samples["redclust_graph_nodes"] == [({"type": "subreddit"}, 1.0)]
    assert samples["redclust_jobs"] == [({"status": "completed"}, 1.0)]
    assert ({"table": "posts"}, 0.0) in samples["redclust_table_rows"]
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("redclust_")
        assert family.name != name
        assert family.documentation.endswith("."), name
        assert (family.type == "counter") == any(s.name.endswith("_total") for s in family.samples), name
        assert UNITS.search(name) or name in COUNTS or family.type == "counter", name
    if promtool := shutil.which("promtool"):
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    file = tmp_path / "redclust.prom"
    file.write_text("old")
    assert redclust("metrics", "--textfile", str(file), check=0).stdout == ""
    assert parsed(file.read_text()).keys() == samples.keys()
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    assert "does not end in .prom" in redclust("metrics", "--textfile", str(tmp_path / "x"), check=2).stderr
    down = redclust("--database-url", "postgresql://x@127.0.0.1:1/x", "metrics", check=0)
    assert parsed(down.stdout)["redclust_up"] == [({}, 0.0)]
    assert "redclust_jobs" not in parsed(down.stdout)


def test_on_a_port_until_sigterm(redclust: Redclust, database: Database) -> None:
    process = redclust.start("metrics", "--listen", "0")
    assert process.stderr is not None
    told = ""
    while "/metrics" not in told:
        told = process.stderr.readline()
        assert told, "it ended"
    address = told.split()[-1]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own
        assert parsed(answer.read().decode())["redclust_up"] == [({}, 1.0)]
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: process.poll() is not None, "it has ended")
    assert process.returncode == 0
    assert "not a port" in redclust("metrics", "--listen", "here", check=2).stderr


def test_every_alert_fires_for_its_cause_and_none_without(
    redclust: Redclust,
    database: Database,
    connection: Connection,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    alerts = rules(pytestconfig)
    connection.execute(HEALTHY.encode())
    line = ("--database-url", database.target.url(), "--home", str(tmp_path))
    redclust(*line, "backup", "now", check=0)
    redclust(*line, "backup", "drill", check=0)
    settings = {"database": {"url": database.target.url()}}
    loaded = Loaded(Settings.model_validate(settings), tmp_path, None)
    quiet = LogErrors(tmp_path / "log", 0, 1000)
    found = replace(facts.gather(loaded), disks=(Disk("home", "/", 100, 50),), server_log=quiet)
    now_s = time.time()

    def firing(found: facts.Facts, at_s: float = now_s) -> set[str]:
        samples = samples_of(found, loaded)
        return {name for name, expression in alerts.items() if fires(expression, samples, at_s)}

    assert firing(found) == set()
    seen = firing(found, now_s + 1801)
    assert seen == {"RedclustFiguresStale"}
    assert firing(found, now_s + 2 * DAY_S) - seen == {"RedclustBackupTooOld"}
    assert firing(found, now_s + 36 * DAY_S) - seen == {"RedclustBackupTooOld", "RedclustDrillTooOld"}
    seen |= {"RedclustBackupTooOld", "RedclustDrillTooOld"}
    causes: dict[str, tuple[dict[str, Any], str]] = {
        "RedclustDiskFull": ({"disks": (Disk("home", "/", 100, 14),)}, ""),
        "RedclustLogErrors": ({"server_log": replace(quiet, errors=60)}, ""),
        "RedclustCrawlerErrors": (
            {},
            "INSERT INTO crawl_runs (job_id, token, outcome, pages) SELECT id, n, 'failed', 0 "
            "FROM crawl_jobs, generate_series(11, 12) AS n",
        ),
        "RedclustBreakerOpen": ({}, "UPDATE api_budgets SET open_until = now() + interval '1 min'"),
        "RedclustJobsStuck": (
            {},
            "INSERT INTO crawl_jobs (subreddit_name, status, lease_until) "
            "VALUES ('rust', 'crawling', now() - interval '1 min')",
        ),
        "RedclustQueueWaits": (
            {},
            "INSERT INTO crawl_jobs (subreddit_name, run_at) VALUES ('elm', now() - interval '25 h')",
        ),
        "RedclustGraphStale": (
            {},
            "UPDATE precalc_runs SET snapshot_at = now() - interval '5 h'; "
            "INSERT INTO import_files (fingerprint, filters, name, kind, state, rows_read, finished_at) "
            "VALUES ('f', '', 'a.zst', 'comments', 'complete', 1, now())",
        ),
        "RedclustPrecalcFailing": (
            {},
            "INSERT INTO precalc_runs (status, finished_at, error_message, settings) "
            "VALUES ('failed', now(), 'timeout exceeded', '{}')",
        ),
        "RedclustGraphEmpty": ({}, "TRUNCATE graph_nodes, graph_links"),
        "RedclustIntegrityFindings": (
            {},
            "INSERT INTO run_history (verb, started_at, verdict, figures) "
            "VALUES ('integrity.check', now(), 'partial', '{\"found_rows\": 3}')",
        ),
    }
    before: set[str] = set()
    for alert, (changed, statement) in causes.items():
        connection.execute(statement.encode() or b"SELECT 1")
        current = replace(facts.gather(loaded), disks=found.disks, server_log=quiet)
        assert firing(replace(current, **changed)) == before | {alert}, alert
        before |= {alert} if statement else set()
        seen |= {alert}
    used = facts.gather(loaded).connections
    assert not isinstance(used, facts.Missing)
    full = replace(found, connections=replace(used, used=used.limit))
    assert firing(full) == {"RedclustConnectionsExhausted"}
    redclust(*line, "backup", "now", env={"REDCLUST_DATABASE__BIN_DIR": "/nonexistent"})
    failed = replace(facts.gather(loaded), disks=found.disks, server_log=quiet)
    assert firing(failed) - before == {"RedclustBackupFailing"}
    nowhere = Loaded(
        Settings.model_validate({"database": {"url": "postgresql://x@127.0.0.1:1/x"}}), tmp_path / "n", None
    )
    down = replace(facts.gather(nowhere), disks=found.disks)
    assert firing(down) == {"RedclustDatabaseDown"}
    seen |= {"RedclustConnectionsExhausted", "RedclustBackupFailing", "RedclustDatabaseDown"}
    assert seen == set(alerts)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_errors_of_redclust_itself_are_counted_in_the_end_of_its_log(as_json: bool, tmp_path: Path) -> None:
    """Only by their level, whatever a message says; across the moment when a new file is begun."""
    lines = Lines({"verb": "crawl", "run": "1"}, (), as_json=as_json, traces=False)

    def events(level: int, number: int, message: str = "a page") -> str:
        record = logging.makeLogRecord({"name": "redclust", "levelno": level, "msg": message})
        record.levelname = logging.getLevelName(level)
        return f"{lines.format(record)}\n" * number

    loaded = Loaded(Settings(), tmp_path, None)
    assert of_redclust(loaded) is None
    log = tmp_path / "logs" / "redclust.log"
    log.parent.mkdir()
    told = 'no ERROR  at all, not "level":"error"'
    log.write_text(events(logging.WARNING, 40, told) + events(logging.ERROR, 3))
    assert of_redclust(loaded) == LogErrors(log, 3, 43)
    assert LogErrors(log, 3, 43).ratio == 0.03, "as if it had 100 lines"
    log.rename(tmp_path / "logs" / "redclust.log.1")
    log.write_text(events(logging.INFO, 100) + events(logging.ERROR, 30) + "an ERROR that is being writ")
    assert of_redclust(loaded) == LogErrors(log, 33, 173)
    finding = next(one for one in doctor.examine(loaded).findings if one.check == "redclust log")
    assert (finding.state, finding.command) == ("warning", f"grep -w -i -E 'error|critical' {log}")
    facts_now = facts.gather(loaded)
    assert samples_of(facts_now, loaded)["redclust_log_error_ratio"] == [({"log": "redclust"}, 33 / 173)]
    with log.open("a") as file:
        file.write(events(logging.INFO, 2 * LINES))
    assert of_redclust(loaded) == LogErrors(log, 0, LINES)


def test_prometheus_itself_fires_each_alert_beyond_its_limit_and_not_within(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """By promtool, where that is installed: the figure at its limit for two hours, then beyond it."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian's package prometheus) is not installed")
    alerts = pytestconfig.rootpath / "docs" / "alerts.yml"
    subprocess.run([promtool, "check", "rules", str(alerts)], check=True, capture_output=True)
    document = yaml.safe_load(alerts.read_text())
    tests: list[dict[str, Any]] = []
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        told = re.fullmatch(SHAPE, rule["expr"])
        assert told, rule
        since, name, label, wanted, how, limit = told.groups()
        series = f'{name}{{{label}="{wanted}"}}' if label else name
        within, beyond = ("1", limit) if how == "==" else (limit, str(float(limit) + 1))
        minutes = int(float(limit) / 60) if since else 120
        # A moment of the past: it is 0 all the time, and time itself goes beyond the limit.
        values = f"0x{minutes // 10 + 24}" if since else f"{within}x12 {beyond}x12"
        cases = [{"eval_time": f"{minutes - 10}m", "alertname": rule["alert"], "exp_alerts": []}]
        tests.append(
            {
                "interval": "10m",
                "input_series": [{"series": series, "values": values}],
                "alert_rule_test": cases,
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}})',
                        "eval_time": f"{minutes + 120}m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        )
    file = tmp_path / "rules.yml"
    told_rules = {"rule_files": [str(alerts)], "evaluation_interval": "10m", "tests": tests}
    file.write_text(yaml.safe_dump(told_rules))
    done = subprocess.run([promtool, "test", "rules", str(file)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(tests) == len(rules(pytestconfig))
