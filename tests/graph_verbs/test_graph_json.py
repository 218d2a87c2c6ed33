"""What a program reads: the JSON of each verb, and that one command sees one graph."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from small_graph import Graph

from harness import Redclust
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph import names, nodes
from redclust.ops.graph.snapshot import snapshot

GO = {"id": 0, "label": "golang, rust, programming"}


def report(redclust: Redclust, *arguments: str, check: int = 0) -> dict[str, Any]:
    return json.loads(redclust("graph", *arguments, "--format", "json", check=check).stdout)


def test_show(redclust: Redclust, graph: Graph) -> None:
    found = report(redclust, "show")
    biggest = found.pop("biggest_communities")
    assert found == {
        "schema": "redclust.graph.show/1",
        "ok": True,
        "computed_at": "2021-04-02T10:02:00+00:00",
        "as_of_at": "2021-04-02T10:01:00+00:00",
        "imported": True,
        "subreddits": 12,
        "users": 5,
        "posts": 0,
        "comments": 0,
        "subreddits_in_no_community": 3,
        "links": [{"type": "subreddit-subreddit", "links": 13}, {"type": "user-subreddit", "links": 8}],
        "communities": 3,
        "communities_by_level": [3, 2, 0],
    }
    assert [one["id"] for one in biggest] == [0, 1, 2]
    assert biggest[1] == {
        "id": 1,
        "label": "[/r/aww], :fire:",
        "terms": [],
        "subreddits": 3,
        "users": 44,
        "leading": ["[/r/aww]", ":fire:", 'cats<&>"dogs"\''],
    }


def test_show_of_an_empty_graph(redclust: Redclust) -> None:
    found = report(redclust, "show", check=3)
    assert (found["ok"], found["imported"], found["computed_at"]) == (False, False, None)


def test_top(redclust: Redclust, graph: Graph) -> None:
    found = report(redclust, "top", "--limit", "2")
    assert found["schema"] == "redclust.graph.top/1"
    assert found["nodes"] == [
        {"id": "subreddit_1", "name": "AskReddit", "type": "subreddit", "val": 900, "community": None},
        {"id": "subreddit_4", "name": "programming", "type": "subreddit", "val": 400, "community": GO},
    ]


def test_node(redclust: Redclust, graph: Graph) -> None:
    found = report(redclust, "node", "https://www.reddit.com/r/GoLang/comments/abc/title/?utm=1")
    assert found["schema"] == "redclust.graph.node/1"
    assert (found["node"]["id"], found["linked_subreddits"], found["active_in"]) == ("subreddit_2", 4, [])
    assert [(one["name"], one["shared_users"], one["weight"]) for one in found["neighbours"]] == [
        ("rust", 40, 2.5),
        ("learnprogramming", 20, 2.25),
        ("programming", 60, 1.75),
        ("AskReddit", 50, -0.75),
    ]
    assert found["neighbours"][0]["community"] == GO


def test_communities(redclust: Redclust, graph: Graph) -> None:
    found = report(redclust, "communities", "--limit", "1")
    assert (found["schema"], found["total"]) == ("redclust.graph.communities/1", 3)
    assert [one["label"] for one in found["communities"]] == ["golang, rust, programming"]
    found = report(redclust, "communities", "1", "--limit", "2")
    assert (found["schema"], found["subreddits"]) == ("redclust.graph.community/1", 3)
    assert found["members"] == [
        {"id": "subreddit_6", "name": "[/r/aww]", "val": 300},
        {"id": "subreddit_7", "name": ":fire:", "val": 60},
    ]
    assert found["linked"] == [{"id": 0, "label": "golang, rust, programming", "links": 2, "weight": 1.5}]


def test_communities_inside_one_another(redclust: Redclust, graph: Graph) -> None:
    found = report(redclust, "communities", "--level", "countries")
    assert (found["level"], found["total"]) == ("countries", 2)
    leading = [one["leading"] for one in found["communities"]]
    assert leading == [["rust", "golang"], ["programming", "learnprogramming"]]
    assert found["communities"][0]["terms"] == ["compiler", "generics"]
    continent = report(redclust, "communities", "0")
    assert [one["id"] for one in continent["parts"]] == [3, 4]
    assert [one["id"] for one in continent["linked"]] == [2, 1]
    country = report(redclust, "communities", "3")
    assert country["part_of"] == {"id": 0, "label": "golang, rust, programming"}
    assert country["terms"] == ["compiler", "generics"]
    assert [one["name"] for one in country["members"]] == ["rust", "golang"]
    none = report(redclust, "communities", "--level", "towns", check=3)
    assert none["communities"] == []


@pytest.mark.parametrize(
    ("text", "name", "types"),
    [
        ("golang", "golang", ("subreddit", "user")),
        ("r/golang", "golang", ("subreddit",)),
        ("/R/golang/", "golang", ("subreddit",)),
        ("u/spez", "spez", ("user",)),
        ("/user/spez", "spez", ("user",)),
        ("https://old.reddit.com/user/spez/comments?sort=top", "spez", ("user",)),
        ("reddit.com/r/golang", "golang", ("subreddit",)),
        ("https://www.reddit.com/r/%C3%89mile#top", "Émile", ("subreddit",)),
        ("r/[/r/aww]", "[/r/aww]", ("subreddit",)),
    ],
)
def test_names_as_people_write_them(text: str, name: str, types: tuple[str, ...]) -> None:
    assert names.parse(text) == names.Wanted(name, types)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "  ", "r/", "https://www.reddit.com/", "https://reddit.com/best"])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        names.parse(text)


def find(database: Database, text: str) -> str:
    return nodes.node(database, text, limit=1, by="weight").node.id


def test_a_bare_name_is_a_subreddit_before_a_user(database: Database, graph: Graph) -> None:
    assert find(database, "GOLANG") == "subreddit_2"
    assert find(database, "u/golang") == "user_5"
    assert find(database, "stonks") == "user_4"
    assert find(database, "user_1") == "user_1"
    assert find(database, "émile") == "subreddit_11"


def test_names_that_are_no_names(database: Database, graph: Graph) -> None:
    for text in ("x" * 100_000, "%", "'", "subreddit_999999999999999999999", "\udcff"):
        with pytest.raises(UsageError, match="is not in the graph"):
            find(database, text)


def test_a_node_without_links_has_no_table(redclust: Redclust, graph: Graph) -> None:
    done = redclust("graph", "node", "r/Émile", check=0)
    assert done.stdout.splitlines()[2:] == ["community none", "Shares users with 0 subreddits, by weight:"]


def test_what_a_terminal_would_obey_is_not_shown(
    redclust: Redclust, database: Database, graph: Graph
) -> None:
    with database.connect() as connection:
        connection.execute(
            "UPDATE graph_nodes SET name = %s WHERE id = 'subreddit_1'", ("evil\x1b[2J\nname",)
        )
    assert "r/evil\ufffd[2J\ufffdname" in redclust("graph", "top", check=0).stdout


def test_one_command_sees_one_graph_and_writes_nothing(database: Database, graph: Graph) -> None:
    with snapshot(database) as reader, database.connect() as writer:
        before = reader.execute("SELECT count(*) FROM graph_nodes").fetchone()
        writer.execute("DELETE FROM graph_links")
        writer.commit()
        assert reader.execute("SELECT count(*) FROM graph_links").fetchone() == (len(graph.links),)
        assert before == (len(graph.nodes),)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM graph_nodes")
