"""The picture: what is on it, what is left out, and that it does not depend on the order of rows."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from small_graph import SUBREDDITS, Graph

from harness import Redclust
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph.map import draw_map
from redclust.report import Silent


def test_text_says_where_the_picture_is_and_what_is_on_it(
    redclust: Redclust, graph: Graph, tmp_path: Path
) -> None:
    done = redclust("graph", "map", "out.png", cwd=tmp_path, check=0, fresh=True)
    picture = tmp_path / "out.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"Map: {picture} (")
    assert rest == [
        "9 subreddits in 3 communities, 9 links, 12 names",
        "Left out, in no community: 3 (--all draws them too)",
    ]


def test_json_carries_the_label_boxes(redclust: Redclust, graph: Graph, tmp_path: Path) -> None:
    picture = tmp_path / "map.svg"
    found = json.loads(redclust("graph", "map", str(picture), "--all", "--format", "json", check=0).stdout)
    labels = found.pop("labels")
    assert found == {
        "schema": "redclust.graph.map/1",
        "ok": True,
        "path": str(picture),
        "size_bytes": picture.stat().st_size,
        "subreddits": 11,
        "left_out_in_no_community": 0,
        "left_out_without_position": 1,
        "communities": 3,
        "links": 11,
    }
    named = {label["text"] for label in labels if label["kind"] == "node"}
    assert named == {name for name, *_ in SUBREDDITS if name != "unplaced"}
    assert {"[/r/aww], :fire:"} < {label["text"] for label in labels if label["kind"] == "community"}
    for one, other in itertools.combinations(labels, 2):
        apart = one["x1"] <= other["x0"] or other["x1"] <= one["x0"]
        assert apart or one["y1"] <= other["y0"] or other["y1"] <= one["y0"], (one, other)


def test_small_subreddits_can_be_left_out(database: Database, graph: Graph, tmp_path: Path) -> None:
    report = draw_map(database, tmp_path / "map.svg", Silent(), min_users=150)
    # programming and rust, wallstreetbets and stocks, [/r/aww]; AskReddit is in no community.
    assert (report.subreddits, report.links, report.left_out_in_no_community) == (5, 2, 1)
    assert {label.text for label in report.labels if label.kind == "node"} <= {
        name for name, users, *_ in SUBREDDITS if users >= 150
    }


def test_the_order_of_rows_does_not_show(database: Database, graph: Graph, tmp_path: Path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    draw_map(database, first, Silent())
    with database.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE links AS SELECT * FROM graph_links")
        connection.execute("CREATE TEMPORARY TABLE nodes AS SELECT * FROM graph_nodes")
        connection.execute("ALTER TABLE nodes DROP COLUMN val_float8")
        connection.execute("TRUNCATE graph_links, graph_nodes")
        connection.execute("INSERT INTO graph_links SELECT * FROM links ORDER BY target DESC, source DESC")
        connection.execute("INSERT INTO graph_nodes SELECT * FROM nodes ORDER BY id DESC")
    draw_map(database, second, Silent())
    assert first.read_bytes() == second.read_bytes()


def test_nothing_to_draw_makes_no_file(redclust: Redclust, tmp_path: Path) -> None:
    done = redclust("graph", "map", str(tmp_path / "map.svg"), check=3)
    assert done.stdout.startswith("No subreddit to draw")
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(database: Database, graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        draw_map(database, tmp_path / "map.pdf", Silent())
    assert list(tmp_path.iterdir()) == []
