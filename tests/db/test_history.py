"""Runs are written down with their transaction and read back newest first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from harness import Redclust
from redclust.db import history
from redclust.db.session import Database
from redclust.render.history import sparkline


def test_the_newest_runs_of_a_verb_come_first(database: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=90)
    with database.connect() as connection:
        for number in range(3):
            history.record(connection, "vacuum", started_at=began, verdict="ok", figures={"number": number})
        history.record(connection, "drill", started_at=began, verdict="failed", figures={})
    with database.connect() as connection:
        found = history.newest(connection, "vacuum", limit=2)
        assert [run.figures["number"] for run in found] == [2, 1]
        assert found[0].started_at == began
        assert found[0].finished_at - began >= timedelta(seconds=90)
        assert history.newest(connection, "backup") == []


def test_a_run_is_not_recorded_when_its_transaction_is_taken_back(database: Database) -> None:
    with database.connect() as connection:
        with connection.transaction(force_rollback=True):
            history.record(
                connection, "vacuum", started_at=datetime.now(UTC), verdict="ok", figures={"rows": 1}
            )
        assert history.newest(connection, "vacuum") == []


def test_every_verb_that_cares_leaves_a_row(redclust: Redclust, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("INSERT INTO subreddits (name) VALUES ('golang'), ('rust')")
        connection.execute("INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 5) AS n")
        connection.execute(
            "INSERT INTO posts (id, subreddit_id, author_id, title, created_at) "
            "SELECT s.id * 100 + u.id, s.id, u.id, 'a', now() FROM subreddits AS s, users AS u"
        )
    for _ in range(2):
        redclust("precalc", check=0)
        redclust("integrity", "check", check=0)
    redclust("integrity", "check", "--type", "graph-links", check=0)  # a part of it is no round
    redclust("maintenance", check=0, fresh=True)
    document = json.loads(redclust("history", "--format", "json", check=0, fresh=True).stdout)
    told = sorted(run["verb"] for run in document["runs"])
    assert told == ["integrity.check", "integrity.check", "maintenance", "precalc", "precalc"]
    assert all(run["verdict"] == "ok" for run in document["runs"])
    (precalc,) = [one for one in document["trends"] if one["verb"] == "precalc"]
    assert (precalc["figure"], len(precalc["values"])) == ("duration_s", 2)
    only = json.loads(redclust("history", "integrity", "--format", "json", check=0).stdout)
    assert {run["verb"] for run in only["runs"]} == {"integrity.check"}
    assert {one["figure"] for one in only["trends"]} >= {"duration_s", "found_rows"}
    shown = redclust("history", "integrity check", check=0).stdout
    assert "found_rows" in shown
    assert "▁" in shown
    assert "No run of drill was written down yet" in redclust("history", "drill", check=0).stdout


def test_a_failed_precalc_is_in_the_history_with_its_reason(redclust: Redclust) -> None:
    redclust("precalc")
    (run,) = json.loads(redclust("history", "precalc", "--format", "json", check=0).stdout)["runs"]
    assert (run["verdict"], run["figures"]["error"]) == ("failed", "No subreddits found")


def test_trends_go_from_the_lowest_to_the_highest_bar() -> None:
    assert sparkline([1, 8, 4.5]) == "▁█▅"
    assert sparkline([3, 3]) == "▁▁"
    assert len(sparkline(range(100))) == 40
