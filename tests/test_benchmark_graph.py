"""benchmark graph: rows as a client gets them, plans judged, and a comparison that does not cry wolf."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import Redclust
from redclust.db.session import Database
from redclust.ops.benchmark import graph
from redclust.ops.benchmark.graph import Measured
from redclust.sql import query


def test_a_graph_is_made_asked_and_compared(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    argv = ("benchmark", "graph", "--size", "2k", "--runs", "3")
    done = redclust(*argv, "--clients", "2", "--save", str(saved), "--format", "json", check=0)
    report = json.loads(done.stdout)
    assert report["nodes"] == 2000
    assert 9_000 < report["links"] <= 10_000
    questions = {one["name"]: one for one in report["questions"]}
    assert (questions["top 1,000 nodes"]["rows"], questions["top 1,000 subreddits"]["rows"]) == (1000, 40)
    assert questions["map of 20,000"]["rows"] == 2000 + report["links"]
    assert all(len(one["runs_ms"]) == 6 and one["json_bytes"] > 2 for one in report["questions"])
    assert "idx_graph_nodes_name" in questions["prefix search"]["plans"][0]["indexes"]
    assert json.loads(saved.read_text())["questions"] == report["questions"]
    told = redclust(*argv, "--compare", str(saved), "--explain")
    assert "ratio" in told.stdout
    assert "Buffers: shared hit" in told.stderr
    with database.connect() as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'redclust_benchmark%'")
        assert left.fetchall() == []
    assert "the graph is empty" in redclust("benchmark", "graph", check=17).stderr
    saved.write_text("{}")
    assert "is not a result of" in redclust(*argv, "--compare", str(saved), check=16).stderr


def measured(*runs_ms: float) -> Measured:
    return Measured("map of 20,000", 1.0, runs_ms, 1, 1, (), 1_000.0)


def test_slower_is_what_no_noise_explains() -> None:
    before = [10.0, 11.0, 14.0]
    assert not graph._against(measured(10.5, 11, 30), before).slower
    assert not graph._against(measured(13, 16, 19), before).slower
    found = graph._against(measured(25, 26, 27), before)
    assert found.slower
    assert (round(found.ratio, 2), round(found.noise, 2)) == (2.36, 1.4)
    assert not graph._against(measured(0.5, 0.5), [0.1, 0.2]).slower, "too little to tell"
    assert measured(1_200, 1_300, 900).missed == "map of 20,000: 1200 ms, to be 1000 at most"


@pytest.mark.parametrize("limit", [100, 20_000])
def test_links_among_the_top_are_those_of_a_plain_join(database: Database, limit: int) -> None:
    plain = """
        WITH top AS (SELECT id FROM graph_nodes ORDER BY val DESC, id LIMIT %(limit)s)
        SELECT source, target, val::float8, weight FROM graph_links
        WHERE source IN (SELECT id FROM top) AND target IN (SELECT id FROM top)
        ORDER BY weight DESC NULLS LAST, val DESC, source, target LIMIT %(links)s
    """
    values = {"limit": limit, "links": 500}
    with database.connect(autocommit=True) as connection:
        for step in ("synthetic_nodes", "synthetic_links"):
            connection.execute(query("benchmark", step), {"nodes": 3000})
        connection.execute(query("benchmark", "analyze_graph"))
        ours = connection.execute(query("reading", "links_among_top"), values).fetchall()
        assert ours == connection.execute(plain, values).fetchall()
        assert len(ours) > 50


def test_the_biggest_nodes_come_from_the_index(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(query("benchmark", "synthetic_nodes"), {"nodes": 20_000})
        connection.execute(query("benchmark", "analyze_graph"))
        for name, values in (
            ("top_nodes", {"limit": 100}),
            ("page_after", {"val": 5000, "id": "user_9", "limit": 100}),
        ):
            told = connection.execute("EXPLAIN " + query("reading", name), values).fetchall()
            text = "\n".join(str(line) for (line,) in told)
            assert "idx_graph_nodes_val" in text, text
            assert "Sort" not in text
