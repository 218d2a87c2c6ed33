"""Exports are loaded back by networkx and compared with the tables, attribute by attribute."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import big_graph
import networkx
import pytest
from small_graph import COMMUNITIES, Graph

from harness import Redclust
from redclust.db.session import Database
from redclust.ops.graph.export import Selection
from redclust.ops.graph.export import export as export_graph
from redclust.ops.graph.files import whole_files
from redclust.report import Silent

Attributes = dict[str, Any]
LABELS = {identity: label for identity, label, *_ in COMMUNITIES}


def present(**attributes: object) -> Attributes:
    return {key: value for key, value in attributes.items() if value is not None}


def expected_nodes(graph: Graph) -> dict[str, Attributes]:
    return {
        node: present(
            name=name,
            type=kind,
            val=val,
            x=x,
            y=y,
            community=community,
            community_label=LABELS.get(community),
        )
        for node, name, val, kind, x, y, community in graph.nodes
    }


def expected_links(graph: Graph) -> dict[frozenset[str], Attributes]:
    return {
        frozenset((source, target)): present(type=kind, val=val, weight=weight)
        for source, target, kind, val, weight in graph.links
    }


def links_of(loaded: Any) -> dict[frozenset[str], Attributes]:
    return {frozenset((source, target)): data for source, target, data in loaded.edges(data=True)}


def export(redclust: Redclust, tmp_path: Path, to: str, *options: str) -> Path:
    path = tmp_path / f"graph.{to}"
    redclust("--quiet", "graph", "export", "--to", to, "--output", str(path), *options, check=0, fresh=True)
    return path


def test_graphml(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    loaded = networkx.read_graphml(export(redclust, tmp_path, "graphml"))
    assert not loaded.is_directed()
    assert dict(loaded.nodes(data=True)) == expected_nodes(graph)
    assert links_of(loaded) == expected_links(graph)


def test_gexf(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    loaded = networkx.read_gexf(export(redclust, tmp_path, "gexf"))
    nodes: dict[str, Attributes] = {}
    for node, data in loaded.nodes(data=True):
        position = data.pop("viz", {}).get("position", {})
        nodes[node] = {**data, **present(x=position.get("x"), y=position.get("y")), "name": data["label"]}
        del nodes[node]["label"]
    assert nodes == expected_nodes(graph)
    links = links_of(loaded)
    for data in links.values():
        del data["id"]
    assert links == expected_links(graph)


def test_json(redclust: Redclust, graph: Graph) -> None:
    document = json.loads(redclust("graph", "export", "--to", "json", check=0).stdout)
    assert document["schema"] == "redclust.graph.export/1"
    assert document["graph"] == {"computed_at": "2021-04-02T10:02:00Z", "nodes": 17, "links": 21}
    loaded = networkx.node_link_graph(document, edges="links")
    assert dict(loaded.nodes(data=True)) == expected_nodes(graph)
    assert links_of(loaded) == expected_links(graph)


def test_ndjson(redclust: Redclust, graph: Graph) -> None:
    done = redclust("graph", "export", "--to", "ndjson", check=0)
    head, *lines = (json.loads(line) for line in done.stdout.splitlines())
    assert head == {
        "kind": "graph",
        "schema": "redclust.graph.export/1",
        "computed_at": "2021-04-02T10:02:00Z",
        "nodes": 17,
        "links": 21,
    }
    nodes = {line.pop("id"): line for line in lines if line["kind"] == "node"}
    links = {frozenset((line.pop("source"), line.pop("target"))): line for line in lines if "source" in line}
    assert len(nodes) + len(links) == len(lines)
    for line in lines:
        del line["kind"]
    assert nodes == expected_nodes(graph)
    assert links == expected_links(graph)


def test_csv_is_two_files(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    done = redclust("graph", "export", "--to", "csv", "-o", str(tmp_path / "reddit.csv"), check=0)
    nodes_path, links_path = tmp_path / "reddit-nodes.csv", tmp_path / "reddit-links.csv"
    first, second, told = done.stdout.splitlines()
    assert first.startswith(f"{nodes_path} (")
    assert second.startswith(f"{links_path} (")
    assert told == "Exported 17 nodes and 21 links as csv"
    with nodes_path.open(newline="") as file:
        nodes = {row.pop("id"): {k: v for k, v in row.items() if v} for row in csv.DictReader(file)}
    assert nodes == {
        node: {key: str(value) for key, value in attributes.items()}
        for node, attributes in expected_nodes(graph).items()
    }
    with links_path.open(newline="") as file:
        links = [tuple(row.values()) for row in csv.DictReader(file)]
    assert links == sorted(
        (source, target, kind, str(val), "" if weight is None else str(weight))
        for source, target, kind, val, weight in graph.links
    )


def test_only_subreddits_of_a_size(redclust: Redclust, graph: Graph) -> None:
    options = ("--type", "subreddit", "--min-val", "120")
    done = redclust("graph", "export", "--to", "json", *options, check=0)
    loaded = networkx.node_link_graph(json.loads(done.stdout), edges="links")
    nodes = {
        node: data
        for node, data in expected_nodes(graph).items()
        if data["type"] == "subreddit" and data["val"] >= 120
    }
    assert dict(loaded.nodes(data=True)) == nodes
    assert links_of(loaded) == {
        ends: data for ends, data in expected_links(graph).items() if ends <= nodes.keys()
    }
    assert len(loaded.edges) == 7


def in_process(database: Database, to: str, selection: Selection = Selection()) -> bytes:
    written = io.BytesIO()
    export_graph(database, to, None, written, selection, Silent())
    return written.getvalue()


def biggest(nodes: dict[str, Attributes], top: int) -> set[str]:
    """The ids of the biggest of each type, of equals those that sort first."""
    order = sorted(nodes, key=lambda node: (-nodes[node]["val"], node))
    of_type = {kind: [n for n in order if nodes[n]["type"] == kind] for kind in ("subreddit", "user")}
    return {node for ids in of_type.values() for node in ids[:top]}


def test_the_biggest_of_a_community(database: Database, graph: Graph) -> None:
    everything, links = expected_nodes(graph), expected_links(graph)
    cases = [
        (Selection(community=0), {n for n in everything if everything[n].get("community") == 0}),
        # One of the second level.
        (Selection(community=3), {"subreddit_2", "subreddit_3"}),
        (Selection(top=3), biggest(everything, 3)),
        (Selection(top=1000), set(everything)),
        (Selection(community=1, top=2), {"subreddit_6", "subreddit_7", "user_2", "user_3"}),
        (Selection(type="user", min_val=12, top=3), {"user_1", "user_2", "user_3"}),
        (Selection(community=99), set()),
    ]
    for selection, wanted in cases:
        loaded = networkx.node_link_graph(json.loads(in_process(database, "json", selection)), edges="links")
        assert set(loaded.nodes) == wanted, selection
        assert links_of(loaded) == {ends: data for ends, data in links.items() if ends <= wanted}, selection
        graphml = networkx.read_graphml(io.BytesIO(in_process(database, "graphml", selection)))
        gexf = networkx.read_gexf(io.BytesIO(in_process(database, "gexf", selection)))
        assert set(graphml.nodes) == set(gexf.nodes) == wanted
        assert len(graphml.edges) == len(gexf.edges) == len(loaded.edges)


def test_a_detailed_graph_with_heights_is_read_back(database: Database, graph: Graph) -> None:
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, pos_z) "
            "VALUES ('post_zz', 'comments/zz', -3, 'post', 1, 2, 0.5), "
            "('comment_1', 'comments/zz/_/1', 0, 'comment', 1, 2, 0)"
        )
        connection.execute(
            "INSERT INTO graph_links (source, target, type, val) "
            "VALUES ('comment_1', 'post_zz', 'comment-post', 1), ('post_zz', 'user_1', 'user-post', 1)"
        )
    graphml = networkx.read_graphml(io.BytesIO(in_process(database, "graphml")))
    assert graphml.nodes["post_zz"] == {
        "name": "comments/zz",
        "type": "post",
        "val": -3,
        "x": 1,
        "y": 2,
        "z": 0.5,
    }
    assert graphml.edges["comment_1", "post_zz"] == {"type": "comment-post", "val": 1}
    gexf = networkx.read_gexf(io.BytesIO(in_process(database, "gexf", Selection(type="post"))))
    assert gexf.nodes["post_zz"]["viz"]["position"] == {"x": 1, "y": 2, "z": 0.5}


def test_the_options_of_a_selection(redclust: Redclust, graph: Graph) -> None:
    options = ("--community", "1", "--top", "2", "--type", "subreddit", "--min-val", "61")
    done = redclust("graph", "export", "--to", "json", *options, check=0)
    assert [node["id"] for node in json.loads(done.stdout)["nodes"]] == ["subreddit_6"]
    none = redclust("graph", "export", "--to", "json", "--community", "77", check=3)
    assert "no node of the graph passes --type, --community and --min-val" in none.stderr


def test_a_link_without_its_node_is_left_out(database: Database, graph: Graph) -> None:
    with database.connect() as connection:
        connection.execute("DELETE FROM graph_nodes WHERE id = 'subreddit_6'")
    document = json.loads(in_process(database, "json"))
    assert document["graph"]["links"] == len(document["links"]) == 16


def test_names_that_no_xml_can_hold(database: Database, graph: Graph) -> None:
    name = "a\x01b\tc\nd\re ]]> &amp; \ufffe 🔥"
    with database.connect() as connection:
        connection.execute("UPDATE graph_nodes SET name = %s WHERE id = 'user_1'", (name,))
    cleaned = name.replace("\x01", "\ufffd").replace("\ufffe", "\ufffd")
    graphml, gexf = (io.BytesIO(in_process(database, to)) for to in ("graphml", "gexf"))
    assert networkx.read_graphml(graphml).nodes["user_1"]["name"] == cleaned
    assert networkx.read_gexf(gexf).nodes["user_1"]["label"] == cleaned
    assert name in [node["name"] for node in json.loads(in_process(database, "json"))["nodes"]]


def test_an_empty_graph_is_written_and_said_to_be_empty(redclust: Redclust) -> None:
    done = redclust("graph", "export", "--to", "json", check=3)
    assert json.loads(done.stdout)["nodes"] == []
    assert "the graph is empty: redclust precalc" in done.stderr


def test_a_file_is_replaced_by_a_whole_one_or_not_at_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(one)

    def fail_midway() -> None:
        with whole_files(link, other) as (first, second):
            first.write(b"new")
            second.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_midway()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "one"]
    assert one.read_text() == "old"
    with whole_files(link, other) as (first, second):
        first.write(b"new")
        second.write(b"whole")
        assert one.read_text() == "old"
    assert link.is_symlink()
    assert (one.read_text(), other.read_text()) == ("new", "whole")


def test_a_device_stays_a_device(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = redclust.start("--quiet", "graph", "export", "--to", "json", "--output", str(pipe))
    with pipe.open() as reader:
        assert len(json.load(reader)["nodes"]) == 17
    assert process.wait() == 0
    assert pipe.is_fifo()


def test_where_nothing_can_be_written(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "graph.json"
    done = redclust("--quiet", "graph", "export", "--to", "json", "--output", str(missing), check=2)
    assert done.stderr.startswith(f"redclust: cannot write {missing}: No such file or directory\n")


def test_an_export_holds_one_graph_though_another_is_swapped_in(
    redclust: Redclust, database: Database
) -> None:
    big_graph.fill(database, subreddits=500, users=6_000)
    process = redclust.start("--quiet", "graph", "export", "--to", "ndjson")
    assert process.stdout is not None
    head = json.loads(process.stdout.readline())
    # The pipe is full and the export waits: of its 20,000 lines a few hundred are written.
    with database.connect(bulk=True) as connection:
        connection.execute("DELETE FROM graph_links")
        connection.execute("DELETE FROM graph_nodes WHERE type = 'user'")
    kinds = [json.loads(line)["kind"] for line in process.stdout]
    assert process.wait() == 0
    assert (kinds.count("node"), kinds.count("link")) == (head["nodes"], head["links"])
    assert head["nodes"] == 6_500
    assert head["links"] > 15_000


def test_a_terminated_export_leaves_nothing(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    big_graph.fill(database, subreddits=500, users=6_000)
    nodes = tmp_path / "x-nodes.csv"
    nodes.write_text("old")
    os.mkfifo(tmp_path / "x-links.csv")
    process = redclust.start("--quiet", "graph", "export", "--to", "csv", "--output", str(tmp_path / "x"))
    with (tmp_path / "x-links.csv").open() as links:
        assert links.readline() == "source,target,type,val,weight\n"
        process.send_signal(signal.SIGTERM)
        links.read()
    assert process.wait() == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-links.csv", "x-nodes.csv"]
    assert nodes.read_text() == "old"


MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_graph(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    peak = tmp_path / "peak"
    peaks_kib: list[int] = []
    for scale in (1, 20):
        big_graph.fill(database, subreddits=200 * scale, users=3_000 * scale)
        prefix = (sys.executable, "-c", MEASURE, str(peak))
        target = str(tmp_path / "graph.graphml")
        redclust("--quiet", "graph", "export", "--to", "graphml", "--output", target, prefix=prefix, check=0)
        peaks_kib.append(int(peak.read_text()))
    assert Path(target).read_text().count("<edge ") > 190_000
    assert peaks_kib[1] - peaks_kib[0] < 20 * 1024
