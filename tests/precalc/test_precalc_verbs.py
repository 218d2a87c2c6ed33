"""The command: what it prints, for people and for machines."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable

from graph_readers import look
from precalc_worlds import World, count, planted

from harness import Redclust
from redclust.db import locks
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database

WORLD = planted(3, 10, 300, seed=9)
WORLD.comments += [("spambot", f"topic0_{i}") for i in range(9)] + [("reader", f"sub{i}") for i in range(101)]
WORLD.bots = frozenset({"spambot"})


def test_the_lines_of_the_runbook(put: Callable[..., None], redclust: Redclust) -> None:
    put(WORLD)
    done = redclust("precalc", check=0)
    wanted = count(WORLD, minimum=2)
    assert done.stdout.splitlines() == [
        f"Generated {sum(kind == 'subreddit' for kind, _ in wanted.nodes)} subreddit nodes",
        f"Generated {sum(kind == 'user' for kind, _ in wanted.nodes)} user nodes",
        f"Created {len(wanted.links)} links",
        done.stdout.splitlines()[3],
        "Left out as bots: 1 marked, 1 in more than 100 subreddits (reader, spambot)",
        done.stdout.splitlines()[5],
        done.stdout.splitlines()[6],
    ]
    assert re.fullmatch(r"Found 3 communities \(modularity 0\.\d{3}\)", done.stdout.splitlines()[3])
    assert re.fullmatch(r"Changed rows: \d+ new, 0 updated, 0 deleted", done.stdout.splitlines()[5])
    assert re.fullmatch(r"Precalculation completed in \d+\.\ds", done.stdout.splitlines()[6])
    again = redclust("precalc", check=0).stdout
    assert "as before: nothing to cluster has changed" in again
    assert "The graph is the same as before: no row changed" in again
    assert redclust("precalc", "--quiet", check=0).stdout == ""


def test_json(put: Callable[..., None], redclust: Redclust) -> None:
    put(WORLD)
    done = redclust("precalc", "--clear", "--min-shared-users", "4", "--format", "json", check=0)
    report = json.loads(done.stdout)
    assert report["schema"] == "redclust.precalc/1"
    assert report["ok"] is report["cleared"] is True
    figures = report["figures"]
    assert figures["min_shared_users"] == 4
    assert figures["links"] == len(count(WORLD, minimum=4).links)
    left_out = figures["bots"].pop("left_out")
    assert [(one["why"], one["subreddits"], one["activity"]) for one in left_out] == [
        ("subreddits", 101, 101),
        ("marked", 9, 9),
    ]
    assert figures["bots"] == {
        "marked": 1,
        "over_cap": 1,
        "regular": 0,
        "max_subreddits_per_user": 100,
        "most_active": ["reader", "spambot"],
    }
    times = figures["times"]
    assert set(times) == {
        f"{step}_s"
        for step in ("reading", "overlap", "communities", "layout", "naming", "staging", "swap", "tidying")
    }
    assert sum(times.values()) <= report["duration_s"]
    assert [change["table"] for change in figures["changes"]][-2:] == ["graph_nodes", "graph_links"]
    status = json.loads(redclust("precalc", "status", "--format", "json", check=0).stdout)
    assert status["schema"] == "redclust.precalc.status/1"
    figures["bots"]["left_out"] = left_out
    assert status["shown"]["figures"] == figures
    assert [(bot["name"], bot["why"]) for bot in status["bots"]] == [
        ("reader", "subreddits"),
        ("spambot", "marked"),
    ]
    assert status["runs"][0]["settings"]["clear"] is True


def test_the_runbooks_names_of_settings(put: Callable[..., None], redclust: Redclust) -> None:
    put(WORLD)
    env = {
        "PRECALC_CLEAR_ON_START": "true",
        "GRAPH_NODE_BATCH_SIZE": "7",
        "GRAPH_LINK_BATCH_SIZE": "11",
        "GRAPH_PROGRESS_INTERVAL": "13",
    }
    report = json.loads(redclust("precalc", "--format", "json", env=env, check=0).stdout)
    assert report["cleared"] is True
    assert report["figures"]["links"] == len(count(WORLD, minimum=2).links)


def test_an_empty_database(redclust: Redclust) -> None:
    done = redclust("precalc", check=3)
    assert done.stdout.startswith("No subreddits found")
    assert "redclust import FILE" in done.stdout
    assert json.loads(redclust("precalc", "--format", "json", check=3).stdout)["ok"] is False
    status = redclust("precalc", "status", check=3)
    assert "No graph has been computed yet" in status.stdout
    assert "No subreddits found" in status.stdout


def test_nobody_but_bots_leaves_the_graph_as_it_is(
    put: Callable[..., None], redclust: Redclust, connection: Connection
) -> None:
    put(WORLD)
    redclust("precalc", check=0)
    good = look(connection)
    put(World(comments=[("spambot", "topic0_1")], bots=frozenset({"spambot"})))
    done = redclust("precalc", check=3)
    assert done.stdout.startswith("No subreddits found: all active accounts count as bots")
    assert look(connection) == good


def test_status_tells_what_is_shown_and_what_failed(put: Callable[..., None], redclust: Redclust) -> None:
    put(WORLD)
    redclust("precalc", check=0)
    lines = redclust("precalc", "status", check=0).stdout.splitlines()
    assert re.match(r"The graph shows the data of \d{4}(-\d\d){2} [\d:]{8} UTC \(run 1, comp", lines[0])
    assert re.match(r"\d+ subreddits, \d+ users, \d+ links, 3 communities; related from 2 shared", lines[1])
    assert lines[2].startswith("Left out as bots: 1 marked")
    put(World())
    redclust("precalc", check=3)
    status = redclust("precalc", "status", check=3).stdout
    assert "(run 1, computed in" in status
    assert "No subreddits found" in status


def test_a_bad_minimum_is_a_usage_error(redclust: Redclust) -> None:
    redclust("precalc", "--min-shared-users", "0", check=2)


def test_every_goes_on_after_a_failure_and_ends_well(
    put: Callable[..., None], redclust: Redclust, database: Database
) -> None:
    put(WORLD)
    with locks.hold(database.connector, LockName.PRECALC):
        process = redclust.start("precalc", "--every", "0.2s", "--format", "json")
        assert process.stderr is not None
        assert any(line.startswith("redclust: precalc failed: ") for line in process.stderr)
    assert any(re.search(r"Precalculation completed in \d", line) for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["schema"] == "redclust.precalc.every/1"
    assert min(report["made"], report["failed"]) >= 1
    assert redclust("precalc", "--every", "soon", check=2).stdout == ""
