from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import zstandard
from graph_world import World

from redclust.graph.communities import detect
from redclust.graph.labels import community_labels
from redclust.graph.overlap import distinct_subreddits, shared_users
from redclust.graph.weights import lift_bound

# Two triangles, 0 1 2 and 3 4 5, and 6 that is linked to all of both.
SOURCE = np.array([0, 0, 1, 3, 3, 4, 0, 1, 2, 3, 4, 5], np.int32)
TARGET = np.array([1, 2, 2, 4, 5, 5, 6, 6, 6, 6, 6, 6], np.int32)
COMMUNITY = np.array([0, 0, 0, 1, 1, 1, 0, -1], np.int32)
NAMES = ["a", "b", "c", "d", "e", "f", "everywhere", "alone"]


def test_leaders_are_at_home_in_their_community():
    weight = np.array([3, 2, 1, 1, 3, 2, 1, 1, 1, 1, 1, 1], np.float64)
    assert community_labels(8, SOURCE, TARGET, weight, COMMUNITY, NAMES) == [
        ("a", "b", "c"),
        ("f", "d", "e"),
    ]


def test_size_counts():
    weight = np.ones(12)
    size = np.array([1, 5, 2, 1, 1, 9, 3, 1000], np.float64)
    assert community_labels(8, SOURCE, TARGET, weight, COMMUNITY, NAMES, 2, size=size) == [
        ("b", "c"),
        ("f", "d"),
    ]


def test_equals_go_by_number_and_no_community_has_no_name():
    none = np.empty(0, np.int32)
    everyone = np.zeros(3, np.int32)
    assert community_labels(3, none, none, np.empty(0), everyone, ["x", "y", "z"], 2) == [("x", "y")]
    assert community_labels(3, none, none, np.empty(0), everyone - np.int32(1), ["x", "y", "z"]) == []


def test_hubs_lead_nowhere(world: World):
    found = detect(world.n_subreddits, world.source, world.target, world.weight, seed=1)
    names = ["hub" if topic < 0 else str(topic // 4) for topic in world.topic.tolist()]
    size = np.bincount(world.subreddits, minlength=world.n_subreddits).astype(np.float64)
    labels = community_labels(
        world.n_subreddits, world.source, world.target, world.weight, found.levels[0], names
    )
    assert len(labels) == found.levels[0].max() + 1
    for number, leading in enumerate(labels):
        assert len(set(leading)) == 1
        # They may be a community of their own: all of its members are hubs then.
        assert "hub" not in leading or (world.topic[found.levels[0] == number] < 0).all()
    assert sum("hub" in leading for leading in labels) <= 1
    assert size[world.topic < 0].min() > size[world.topic >= 0].max()


def test_real_communities_have_names_that_belong_together(shared_data: Path):
    packed = (shared_data / "user_subreddit_edges.csv.zst").open("rb")
    with packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
        rows = [(user, name) for user, name, _ in csv.reader(io.TextIOWrapper(raw, newline=""))][1:]
    names, subreddits = np.unique([name for _, name in rows], return_inverse=True)
    _, users = np.unique([user for user, _ in rows], return_inverse=True)
    users, subreddits, n = users.astype(np.int32), subreddits.astype(np.int32), len(names)
    few = distinct_subreddits(users, int(users.max()) + 1)[users] <= 100
    users, subreddits = users[few], subreddits[few]
    overlap = shared_users(users, subreddits, n, minimum=3)
    size = np.bincount(subreddits, minlength=n).astype(np.int32)
    bound = lift_bound(overlap.shared, size[overlap.source], size[overlap.target], len(np.unique(users)))
    kept = bound > 0
    source, target, weight = overlap.source[kept], overlap.target[kept], bound[kept]
    place_of = {name: number for number, name in enumerate(names.tolist())}
    superstonk = place_of["Superstonk"]
    mine = (source == superstonk) | (target == superstonk)
    other = np.where(source == superstonk, target, source)[mine][np.argsort(-weight[mine])]
    assert "GME" in [str(names[i]) for i in other[:5]]
    found = detect(n, source, target, weight, seed=1)
    for one, another in (
        ("Superstonk", "GME"),
        ("Polska", "poland"),
        ("Genshin_Impact", "Genshin_Memepact"),
    ):
        assert found.levels[0][place_of[one]] == found.levels[0][place_of[another]] >= 0
    labels = community_labels(
        n, source, target, weight, found.levels[0], names.tolist(), 5, size=size.astype(np.float64)
    )
    assert {"wallstreetbets", "Superstonk"} <= set(labels[int(found.levels[0][superstonk])])
    assert {"nba", "nfl"} <= set(labels[int(found.levels[0][place_of["nba"]])])
