"""benchmark graph: rows as a client gets them, plans judged, and a comparison that does not cry wolf."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness import Clones, Redclust, settings_for
from redclust.config import BenchmarkSettings
from redclust.db import top_links
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.ops.benchmark import graph
from redclust.ops.benchmark.graph import Measured
from redclust.ops.benchmark.questions import questions
from redclust.render import benchmark as rendered
from redclust.report import Silent
from redclust.sql import query


def test_a_graph_is_made_and_asked(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    argv = ("benchmark", "graph", "--size", "2k", "--runs", "3")
    done = redclust(*argv, "--clients", "2", "--save", str(saved), "--explain", check=0)
    assert "Computed beforehand: graph_top_links, " in done.stdout
    assert "Buffers: shared hit" in done.stderr
    report = json.loads(saved.read_text())
    assert report["nodes"] == 2000
    assert 9_000 < report["links"] <= 10_000
    questions = {one["name"]: one for one in report["questions"]}
    assert (questions["top 1,000 nodes"]["rows"], questions["top 1,000 subreddits"]["rows"]) == (1000, 40)
    assert questions["map of 20,000"]["rows"] == 2000 + report["links"]
    assert all(len(one["runs_ms"]) == 6 and one["json_bytes"] > 2 for one in report["questions"])
    assert questions["prefix search"]["plans"][0]["indexes"] == ["idx_graph_nodes_name"]
    assert questions["links among 20,000"]["plans"][0]["indexes"] == ["idx_graph_top_links"]
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
    assert not graph._against(measured(10.5, 11, 30), before, 1.0).slower
    assert not graph._against(measured(13, 16, 19), before, 1.0).slower
    found = graph._against(measured(25, 26, 27), before, 1.0)
    assert found.slower
    assert (round(found.ratio, 2), round(found.noise, 2)) == (2.36, 1.4)
    assert not graph._against(measured(25, 26, 27), before, 1.5).slower, "the machine explains it"
    assert not graph._against(measured(0.5, 0.5), [0.1, 0.2], 1.0).slower, "too little to tell"
    assert measured(1_200, 1_300, 900).missed == "map of 20,000: 1200 ms, to be 1000 at most"


@pytest.fixture(scope="module")
def synthetic(server: Target, bin_dir: Path | None) -> Iterator[Database]:
    """20,000 nodes, five links from each of the biggest, and 60,000 small ones; tests leave it so."""
    clones = Clones(server, [])
    database = Database(Connector(clones.make(), settings_for(bin_dir).database, "test"))
    with database.connect(autocommit=True, bulk=True) as connection:
        connection.execute(query("benchmark", "synthetic_nodes"), {"nodes": 20_000})
        connection.execute(query("benchmark", "synthetic_links"), {"nodes": 3_000})
        connection.execute(
            "INSERT INTO graph_nodes (id, name, val, type) "
            "SELECT 'post_' || n, 'post ' || n, 0, 'post' FROM generate_series(1, 60000) AS n"
        )
        top_links.restore(connection)
        connection.execute(query("benchmark", "analyze_graph"))
    yield database
    clones.drop()


def benchmark(database: Database, saved: Path | None = None, **limits: float) -> graph.GraphBenchmark:
    settings = BenchmarkSettings.model_validate(limits)
    return graph.graph_benchmark(
        database.connector, settings, runs=3, clients=1, size=None, saved=saved, progress=Silent()
    )


def test_a_dropped_index_is_named_as_slower_and_its_limit_missed(synthetic: Database, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    before = benchmark(synthetic)
    assert before.ok, before.problems
    assert [step.name for step in before.steps] == ["SQL on the server", "rows to the client", "JSON"]
    assert before.beforehand is not None
    saved.write_text(json.dumps(msgspec.to_builtins(before) | {"schema": "redclust.benchmark.graph/1"}))
    search = next(one for one in before.questions if one.name == "prefix search")
    with synthetic.connect(autocommit=True) as connection:
        connection.execute("DROP INDEX idx_graph_nodes_name")
        after = benchmark(synthetic, saved, search_ms=max(search.runs_ms))
        connection.execute("CREATE INDEX idx_graph_nodes_name ON graph_nodes (lower(name))")
    slower = [one.name for one in after.against if one.slower]
    assert slower == ["prefix search"]
    told = "\n".join(after.problems)
    assert "prefix search became slower: " in told
    assert f"ms, to be {max(search.runs_ms):g} at most" in told
    assert not after.ok
    out = io.StringIO()
    rendered.show(after, Console(file=out, width=200))
    assert re.search(r"prefix search +[\d.]+ +[\d.]+ +slower", out.getvalue())


@pytest.mark.soak
def test_against_itself_it_does_not_cry_wolf(synthetic: Database, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    told = msgspec.to_builtins(benchmark(synthetic)) | {"schema": "redclust.benchmark.graph/1"}
    saved.write_text(json.dumps(told))
    for run in range(20):
        assert not [one for one in benchmark(synthetic, saved).against if one.slower], run


PLAIN = """
    WITH top AS (SELECT id FROM graph_nodes ORDER BY val DESC, id LIMIT %(limit)s)
    SELECT source, target, val::float8 AS val, weight FROM graph_links
    WHERE source IN (SELECT id FROM top) AND target IN (SELECT id FROM top)
    ORDER BY weight DESC NULLS LAST, graph_links.val DESC, source, target LIMIT %(links)s
"""


@pytest.mark.parametrize("marked", [True, False])
def test_links_among_the_top_are_those_of_a_plain_join(
    synthetic: Database, monkeypatch: pytest.MonkeyPatch, marked: bool
) -> None:
    """From the stored links and from the graph, for all numbers of both, where not all are stored."""
    monkeypatch.setattr(top_links, "ALL_UP_TO", 1)
    monkeypatch.setattr(top_links, "_FIRST_BOUND", 10)
    monkeypatch.setattr(top_links, "LINKS", 200)
    with synthetic.connect(autocommit=True) as connection, connection.transaction(force_rollback=True):
        top_links.refresh(connection)
        row = connection.execute("SELECT count(*) FROM graph_top_links").fetchone()
        assert row is not None
        assert 200 < row[0] < 10_000, "what no question needs is left out"
        if not marked:
            connection.execute("UPDATE graph_nodes SET val = val WHERE id = 'none'")
        assert connection.execute(query("top_links", "is_marked")).fetchone() == (marked,)
        ours: list[tuple[object, ...]] = []
        for limit, links in itertools.product((20, 100, 350, 1_500, 20_000, 30_000), (10, 200, 300)):
            values = {"limit": limit, "links": links}
            ours = sorted(connection.execute(query("reading", "links_among_top"), values).fetchall())
            assert ours == sorted(connection.execute(PLAIN, values).fetchall()), values
        assert len(ours) == 300


def test_the_document_of_the_server_holds_what_the_rows_say(synthetic: Database) -> None:
    with synthetic.connect(autocommit=True) as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "UPDATE graph_nodes SET name = E'q\"\\\\\n', pos_x = NULL WHERE id = 'subreddit_400'"
        )
        asked = {one.key: one for one in questions(connection)}
        (whole,) = asked["map_document"].parts
        (document,) = connection.execute(whole.statement, whole.values).fetchone() or ("",)
        nodes, links = (
            [list(row) for row in connection.execute(part.statement, part.values)]
            for part in asked["map"].parts
        )
    assert json.loads(document) == {"nodes": nodes, "links": links}
    assert (len(nodes), len(links) > 10_000) == (20_000, True)


def test_the_biggest_nodes_come_from_the_index(synthetic: Database) -> None:
    with synthetic.connect(autocommit=True) as connection:
        for name, values in (
            ("top_nodes", {"limit": 100}),
            ("page_after", {"val": 5000, "id": "user_9", "limit": 100}),
        ):
            told = connection.execute("EXPLAIN " + query("reading", name), values).fetchall()
            text = "\n".join(str(line) for (line,) in told)
            assert "idx_graph_nodes_val" in text, text
            assert "Sort" not in text
