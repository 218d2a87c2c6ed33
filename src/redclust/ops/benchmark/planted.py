"""Worlds whose truth is known: memberships, or a graph, with planted topics and fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Shares of memberships in hubs, in a topic of the user's own, elsewhere in its field; the rest is noise.
HUB_SHARE, TOPIC_SHARE, FIELD_SHARE = 0.30, 0.42, 0.12
#: Of the planted graph: shares of edges inside a topic, elsewhere inside its field; the rest is noise.
EDGES_IN_TOPIC, EDGES_IN_FIELD = 0.45, 0.35


@dataclass(frozen=True, slots=True)
class PlantedWorld:
    """Who is in which subreddit, sorted by both; users from ``n_people`` on are bots.

    Shapes:
        users, subreddits: (m,); topic, field: (s,), -1 for a hub.
    """

    n_people: int
    n_bots: int
    users: Int32Array
    subreddits: Int32Array
    topic: Int32Array
    field: Int32Array


@dataclass(frozen=True, slots=True)
class PlantedGraph:
    """Weighted links, each pair once, of nodes in topics inside fields.

    Shapes:
        source, target, weight: (p,); topic, field: (n,).
    """

    source: Int32Array
    target: Int32Array
    weight: FloatArray
    topic: Int32Array
    field: Int32Array


def plant_world(
    n_people: int,
    n_subreddits: int,
    *,
    n_bots: int,
    seed: int,
    n_hubs: int = 60,
    n_topics: int = 250,
    n_fields: int = 25,
    mean_subreddits: float = 14.0,
) -> PlantedWorld:
    """People with one to three topics of their own, heavy tails in people and subreddits, hubs, and bots.

    A person's number of subreddits falls as a power law (exponent 1.15, at most 3000 before scaling to the
    mean), a subreddit's popularity by its rank to 1.2 (hubs 0.7). A bot is in 2000 to 12,000 subreddits
    at random, as far as there are so many. Linear in the memberships.
    """
    rng = np.random.default_rng(seed)
    topic_share = rng.dirichlet(np.full(n_topics, 0.8))
    topic = rng.choice(n_topics, n_subreddits, p=topic_share)
    topic[:n_topics] = np.arange(n_topics)
    topic[:n_hubs] = -1
    field_of = rng.integers(0, n_fields, n_topics)
    field = np.where(topic >= 0, field_of[topic], -1)

    popularity = np.zeros(n_subreddits)
    others = rng.permutation(n_subreddits - n_hubs) + n_hubs
    popularity[others] = (np.arange(n_subreddits - n_hubs) + 21.0) ** -1.2
    hubs = np.cumsum((np.arange(n_hubs) + 2.0) ** -0.7)
    group = _Groups(popularity, field, topic)

    degree = np.minimum((1.0 - rng.random(n_people)) ** (-1.0 / 1.15) * 1.9, 3000.0)
    degree = np.maximum(1, degree * (mean_subreddits / degree.mean())).astype(np.int64)
    users = np.repeat(np.arange(n_people), degree)
    own = rng.choice(n_topics, (n_people, 3), p=topic_share)
    n_own = 1 + (rng.random(n_people) > 0.5) + (rng.random(n_people) > 0.7)
    chosen = own[users, (rng.random(len(users)) * n_own[users]).astype(np.int64)]

    kind = rng.random(len(users))
    drawn = rng.random(len(users))
    subreddits = group.anywhere(drawn)
    in_field = kind < HUB_SHARE + TOPIC_SHARE + FIELD_SHARE
    subreddits[in_field] = group.in_field(field_of[chosen[in_field]], drawn[in_field])
    in_topic = kind < HUB_SHARE + TOPIC_SHARE
    subreddits[in_topic] = group.in_topic(field_of[chosen[in_topic]], chosen[in_topic], drawn[in_topic])
    in_hub = kind < HUB_SHARE
    subreddits[in_hub] = np.searchsorted(hubs, drawn[in_hub] * hubs[-1], side="right")

    most = min(12_000, n_subreddits - 1)
    reach = [int(rng.integers(min(2000, most // 2), most)) for _ in range(n_bots)]
    of_bots = [rng.choice(n_subreddits, k, replace=False) for k in reach]
    bots = np.repeat(np.arange(n_people, n_people + n_bots), reach)
    pair = np.unique(
        np.concatenate((users, bots)) * n_subreddits + np.concatenate((subreddits, *of_bots)).astype(np.int64)
    )
    shuffled = rng.permutation(n_subreddits)
    at = np.empty(n_subreddits, np.int64)
    at[shuffled] = np.arange(n_subreddits)
    pair = np.sort(pair // n_subreddits * n_subreddits + at[pair % n_subreddits])
    return PlantedWorld(
        n_people,
        n_bots,
        (pair // n_subreddits).astype(np.int32),
        (pair % n_subreddits).astype(np.int32),
        topic[shuffled].astype(np.int32),
        field[shuffled].astype(np.int32),
    )


def plant_graph(n: int, n_edges: int, *, n_fields: int, n_topics: int, seed: int) -> PlantedGraph:
    """Nodes of heavy-tailed degree in topics of uneven size, and links with exponential weights.

    As a lift is, weights are greater where more is shared: 1.5 times as great on average inside a field,
    twice inside a topic.

    A little fewer than ``n_edges``: each pair stands once. Linear but for a sort.
    """
    rng = np.random.default_rng(seed)
    topic = rng.choice(n_topics, n, p=rng.dirichlet(np.full(n_topics, 5.0)))
    topic[:n_topics] = np.arange(n_topics)
    field_of = rng.integers(0, n_fields, n_topics)
    field = field_of[topic]
    strength = np.minimum((1.0 - rng.random(n)) ** -0.5, 30.0)
    group = _Groups(strength, field, topic)
    source = group.anywhere(rng.random(n_edges))
    kind, drawn = rng.random(n_edges), rng.random(n_edges)
    target = group.anywhere(drawn)
    near = kind < EDGES_IN_TOPIC + EDGES_IN_FIELD
    target[near] = group.in_field(field[source[near]], drawn[near])
    same = kind < EDGES_IN_TOPIC
    target[same] = group.in_topic(field[source[same]], topic[source[same]], drawn[same])
    apart = source != target
    key = np.unique(np.minimum(source, target)[apart] * n + np.maximum(source, target)[apart])
    ends = (key // n).astype(np.int32), (key % n).astype(np.int32)
    shared = (field[ends[0]] == field[ends[1]]).astype(np.float64) + (topic[ends[0]] == topic[ends[1]])
    weight = (0.2 + rng.exponential(1.0, len(key))) * (1.0 + shared / 2.0)
    return PlantedGraph(*ends, weight, topic.astype(np.int32), field.astype(np.int32))


class _Groups:
    """Draws nodes by their weight: of all, of a field, or of a topic in it."""

    def __init__(self, weight: FloatArray, field: IntArray, topic: IntArray) -> None:
        self._order = np.lexsort((topic, field))
        self._width = int(topic.max()) + 2
        self._key = field[self._order] * self._width + topic[self._order]
        self._sum = np.concatenate(([0.0], np.cumsum(weight[self._order])))

    def anywhere(self, drawn: FloatArray) -> IntArray:
        return self._between(np.zeros(1, np.int64), np.full(1, len(self._order)), drawn)

    def in_field(self, field: IntArray, drawn: FloatArray) -> IntArray:
        return self._within(field * self._width, (field + 1) * self._width - 2, drawn)

    def in_topic(self, field: IntArray, topic: IntArray, drawn: FloatArray) -> IntArray:
        key = field * self._width + topic
        return self._within(key, key, drawn)

    def _within(self, first: IntArray, last: IntArray, drawn: FloatArray) -> IntArray:
        low = np.searchsorted(self._key, first, side="left")
        high = np.searchsorted(self._key, last, side="right")
        return self._between(low, high, drawn)

    def _between(self, low: IntArray, high: IntArray, drawn: FloatArray) -> IntArray:
        total = self._sum[low] + drawn * (self._sum[high] - self._sum[low])
        place = np.searchsorted(self._sum, total, side="right") - 1
        return self._order[np.minimum(place, len(self._order) - 1)]
