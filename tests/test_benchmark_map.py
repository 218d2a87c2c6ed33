"""The planted worlds are what they are said to be, and what is scored is counted by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import Redclust
from redclust.ops.benchmark.planted import PlantedWorld, plant_graph, plant_world
from redclust.ops.benchmark.scores import own_group_share, score_layout, strongest


def traits(users: Any, subreddits: Any, topic: Any, field: Any, n_people: int) -> dict[str, float]:
    """What makes a world easy or hard."""
    people = users < n_people
    users, subreddits = users[people], subreddits[people]
    size = np.bincount(subreddits, minlength=len(topic))
    degree = np.bincount(users, minlength=n_people)
    # Of two neighbouring memberships of one person, outside hubs: how often of one topic, and of one field.
    usual = topic[subreddits] >= 0
    users, subreddits = users[usual], subreddits[usual]
    pair = users[1:] == users[:-1]
    one, other = subreddits[1:][pair], subreddits[:-1][pair]
    return {
        "mean degree": degree.mean(),
        "over the cap": (degree > 100).mean(),
        "hub share": size[topic < 0].sum() / size.sum(),
        "median size": np.median(size),
        "same topic": (topic[one] == topic[other]).mean(),
        "same field": (field[one] == field[other]).mean(),
    }


def test_the_world_is_like_the_one_that_it_is_to_be_compared_with(shared_data: Path) -> None:
    spec = importlib.util.spec_from_file_location("planted_world", shared_data / "planted_world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.gen(40_000, 2_000, seed=3, bots=0)
    ours = plant_world(40_000, 2_000, n_bots=4, seed=3)
    wanted = traits(theirs["u"], theirs["s"], theirs["micro"], theirs["macro"], 40_000)
    found = traits(ours.users, ours.subreddits, ours.topic, ours.field, 40_000)
    for trait, value in wanted.items():
        assert found[trait] == pytest.approx(value, rel=0.12), (trait, found, wanted)


def test_a_world_is_the_same_again_and_holds_no_pair_twice() -> None:
    one, again = (plant_world(2_000, 600, n_bots=3, seed=1) for _ in range(2))
    for name in PlantedWorld.__slots__:
        assert np.array_equal(getattr(one, name), getattr(again, name))
    pair = one.users.astype(np.int64) * 600 + one.subreddits
    assert (np.diff(pair) > 0).all()
    assert (np.bincount(one.users)[2_000:] > 200).all()
    assert (one.topic < 0).sum() == 60
    # A topic lies in one field.
    assert len(np.unique(one.topic * 100 + one.field)) == len(np.unique(one.topic))


def test_strongest_neighbours() -> None:
    source, target = np.array([0, 0, 0, 1], np.int32), np.array([1, 2, 3, 3], np.int32)
    found = strongest(5, source, target, np.array([1.0, 3.0, 2.0, 5.0]), 2)
    assert found.tolist() == [[2, 3], [3, 0], [0, -1], [1, 0], [-1, -1]]
    group = np.array([7, 7, 7, 8, -1], np.int32)
    assert own_group_share(found, group) == pytest.approx(3 / 7)
    assert own_group_share(found, group, of_all=True) == pytest.approx(3 / 8)


def test_a_layout_is_scored() -> None:
    graph = plant_graph(600, 20_000, n_fields=3, n_topics=6, seed=2)
    near = strongest(600, graph.source, graph.target, graph.weight)
    rng = np.random.default_rng(1)
    by_topic = np.stack((graph.topic * 50.0, np.zeros(600)), axis=1) + rng.random((600, 2))
    well = score_layout(by_topic, graph.topic, near, seed=1)
    badly = score_layout(rng.permutation(by_topic), graph.topic, near, seed=1)
    assert well.own_topic == 1.0
    assert badly.own_topic < 0.4
    assert well.recall > 1.5 * badly.recall
    assert score_layout(np.repeat(by_topic[::2], 2, axis=0), graph.topic, near, seed=1).crowded == 1.0


def test_the_verb(redclust: Redclust) -> None:
    argv = ("benchmark", "map", "--people", "2000", "--subreddits", "500", "--bots", "2", "--nodes", "500")
    done = redclust(*argv, "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "redclust.benchmark.map/1"
    assert report["bots_left_out"] == 2
    ours, *_, plainest = report["qualities"]
    assert ours["fields_rand"] > plainest["fields_rand"]
    assert [one["way"].split(":")[0].split()[0] for one in report["drawings"][0]["layouts"]] == [
        "redclust",
        "the",
        "Fruchterman-Reingold",
        "DrL",
    ]
    kept, anew = report["stability"]
    assert kept["moved_median"] < anew["moved_median"]
    assert kept["unmoved"] >= anew["unmoved"] == 0
    assert report["ok"] is (not report["missed"]) is (done.returncode == 0)
