"""Versions of the graph: kept as differences, compared, and put back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from precalc_worlds import Compute, planted

from harness import Redclust
from redclust.config import PrecalcSettings
from redclust.db import tombstones, top_links
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.precalc import versions
from redclust.report import Silent
from redclust.sql import query

SETTINGS = PrecalcSettings()
TABLES = (
    "graph_nodes ORDER BY id",
    "graph_links ORDER BY source, target",
    "graph_communities ORDER BY id",
    "graph_community_links ORDER BY source_id, target_id",
    "subreddit_relationships ORDER BY 1, 2",
)
Graph = list[list[tuple[Any, ...]]]
Put = Callable[..., None]


def shown(connection: Connection) -> Graph:
    return [connection.execute(f"SELECT * FROM {table}".encode()).fetchall() for table in TABLES]


def assert_stored_links_agree(connection: Connection) -> None:
    assert connection.execute(query("top_links", "is_marked")).fetchone() == (True,)
    assert connection.execute(query("top_links", "differences"), {"samples": 3}).fetchall() == []
    (counts,) = connection.execute(
        "SELECT (SELECT count(*) FROM graph_nodes), (SELECT count(*) FROM graph_links), "
        "(SELECT count(*) FROM graph_top_links)"
    ).fetchall()
    assert counts[0] < top_links.NODES
    assert counts[1] == counts[2]


def three(put: Put, compute: Compute, connection: Connection) -> list[tuple[int, Graph]]:
    """Three different worlds, one after the other: each version with the graph that it showed."""
    found: list[tuple[int, Graph]] = []
    for topics, seed in ((3, 1), (4, 2), (2, 3)):
        put(planted(topics, 10, 300, seed=seed))
        found.append((compute(minimum=2).run_id, shown(connection)))
    return found


def test_a_version_keeps_only_what_it_changed(put: Put, compute: Compute, connection: Connection) -> None:
    put(planted(3, 10, 300, seed=1))
    compute()
    kept = "SELECT count(*) FROM graph_nodes_before"
    assert connection.execute(kept).fetchone() == (0,)
    compute()
    assert connection.execute(kept).fetchone() == (0,)
    connection.execute(
        "UPDATE graph_nodes SET val = val + 1 WHERE id IN (SELECT id FROM graph_nodes LIMIT 3)"
    )
    compute()
    assert connection.execute(kept).fetchone() == (3,)


@pytest.mark.parametrize("clear", [False, True])
def test_every_version_can_be_put_back_as_it_was(
    put: Put, compute: Compute, connection: Connection, database: Database, clear: bool
) -> None:
    made = three(put, compute, connection)
    put(planted(5, 8, 200, seed=9))
    made.append((compute(minimum=2, clear=clear).run_id, shown(connection)))
    for which in (0, 3, 2, 1, 4):
        number, graph = made[which]
        report = versions.rollback(database, SETTINGS, number, Silent())
        assert shown(connection) == graph, which
        assert_stored_links_agree(connection)
        made.append((report.run_id, graph))
    # The next precalc goes on from there, with ids that no community had.
    ids = {row[0] for _, graph in made for row in graph[2]}
    put(planted(6, 8, 200, seed=10))
    compute(minimum=2)
    fresh = {row[0] for row in shown(connection)[2]} - {row[0] for row in made[-1][1][2]}
    assert not fresh & ids


def test_what_differs_is_counted_like_by_hand(
    put: Put, compute: Compute, connection: Connection, database: Database
) -> None:
    made = three(put, compute, connection)
    for a, b in ((0, 2), (0, 1), (2, 1)):
        before, after = ({row[0]: row for row in made[i][1][0]} for i in (a, b))
        report = versions.diff(database, SETTINGS, made[a][0], made[b][0])
        found = {one.type: one for one in report.nodes}
        for kind in ("subreddit", "user"):
            old, new = ({i: r for i, r in some.items() if r[3] == kind} for some in (before, after))
            both = [(old[i], new[i]) for i in old.keys() & new.keys()]
            # id, name, val, type, x, y, z, community
            changed = sum((x[1], x[2], x[7]) != (y[1], y[2], y[7]) for x, y in both)
            moved = sum((x[1], x[2], x[7]) == (y[1], y[2], y[7]) and x[4:6] != y[4:6] for x, y in both)
            one = found[kind]
            assert (one.added, one.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
            assert (one.changed, one.moved) == (changed, moved)
        links = [{(r[0], r[1]): (r[2], r[3]) for r in made[i][1][1]} for i in (a, b)]
        assert sum(one.added for one in report.links) == len(links[1].keys() - links[0].keys())
        assert sum(one.removed for one in report.links) == len(links[0].keys() - links[1].keys())
        assert sum(one.changed for one in report.links) == sum(
            links[0][key] != links[1][key] for key in links[0].keys() & links[1].keys()
        )


def test_old_versions_are_forgotten_and_said_not_to_be_kept(
    put: Put, compute: Compute, connection: Connection, database: Database
) -> None:
    settings = PrecalcSettings(versions_kept=2)
    made = three(put, compute, connection)
    put(planted(5, 8, 200, seed=9))
    last = compute(minimum=2, versions_kept=2).run_id
    listed = versions.listed(database, settings, limit=10).versions
    assert [(one.id, one.kept) for one in listed] == [
        (last, True), (made[2][0], True), (made[1][0], False), (made[0][0], False)
    ]  # fmt: skip
    assert connection.execute("SELECT DISTINCT version FROM graph_nodes_before").fetchall() == [(last,)]
    for number in (made[1][0], 999):
        with pytest.raises(UsageError, match=f"version {number} is not kept; kept are {last}, {made[2][0]}"):
            versions.rollback(database, settings, number, Silent())
    with pytest.raises(UsageError, match="is the one that is shown"):
        versions.rollback(database, settings, last, Silent())
    versions.rollback(database, settings, made[2][0], Silent())
    assert shown(connection) == made[2][1]


def test_a_forgotten_account_is_in_no_version(
    put: Put, compute: Compute, connection: Connection, database: Database
) -> None:
    made = three(put, compute, connection)
    ((name, number),) = connection.execute("SELECT name, id FROM users WHERE name = 'user7'").fetchall()
    in_versions = (
        "SELECT count(*) FROM graph_nodes_before WHERE id = %(id)s OR name = %(name)s",
        "SELECT count(*) FROM graph_links_before WHERE %(id)s IN (source, target)",
    )
    values = {"id": f"user_{number}", "name": name}
    assert all(connection.execute(one, values).fetchone() != (0,) for one in in_versions)
    tombstones.add_names(connection, [name], reason="forgotten")
    tombstones.apply(connection)
    assert all(connection.execute(one, values).fetchone() == (0,) for one in in_versions)
    versions.rollback(database, SETTINGS, made[0][0], Silent())
    assert all(values["id"] not in row[:2] for table in shown(connection)[:2] for row in table)
    assert len(shown(connection)[0]) == len([row for row in made[0][1][0] if row[0] != values["id"]])


def test_the_verbs(put: Put, compute: Compute, connection: Connection, redclust: Redclust) -> None:
    assert "no version yet" in redclust("graph", "versions", check=3, fresh=True).stdout
    made = three(put, compute, connection)
    told = json.loads(redclust("graph", "versions", "--format", "json", check=0).stdout)
    assert [one["id"] for one in told["versions"]] == [number for number, _ in reversed(made)]
    preview = redclust("graph", "rollback", str(made[0][0]), "--dry-run", check=0, fresh=True).stdout
    assert f"From version {made[2][0]} to version {made[0][0]}:" in preview
    assert shown(connection) == made[2][1]
    done = redclust("graph", "rollback", str(made[0][0]), check=0).stdout
    assert f"Version {made[0][0]} is shown again, as version {made[2][0] + 1}" in done
    assert shown(connection) == made[0][1]
    assert f"is version {made[0][0]}" in redclust("graph", "versions", check=0).stdout
    told = json.loads(redclust("graph", "diff", "--format", "json", check=0, fresh=True).stdout)
    assert (told["a"], told["b"]) == (made[2][0], made[2][0] + 1)
    refused = redclust("graph", "diff", "998", "999", check=2)
    assert "version 998 is not kept" in refused.stderr
