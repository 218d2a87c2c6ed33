"""A world with planted communities: users who keep to their topic, hubs that everybody visits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph.overlap import shared_users
from redclust.graph.weights import lift_bound

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class World:
    """Memberships, the topic and field planted for each subreddit (-1: a hub), and the links found."""

    n_users: int
    n_subreddits: int
    users: Int32Array
    subreddits: Int32Array
    topic: Int32Array
    field: Int32Array
    source: Int32Array
    target: Int32Array
    weight: npt.NDArray[np.float64]


def build_world() -> World:
    """12,000 users, 620 subreddits: 10 fields of 4 topics of 15, and 20 hubs with a quarter of all visits."""
    n_users, n_topics, per_topic, n_hubs = 12_000, 40, 15, 20
    n_subreddits = n_topics * per_topic + n_hubs
    rng = np.random.default_rng(5)
    topic = np.concatenate((np.repeat(np.arange(n_topics), per_topic), np.full(n_hubs, -1))).astype(np.int32)
    visits = np.minimum(rng.zipf(1.8, n_users) + 7, 60)
    users = np.repeat(np.arange(n_users), visits)
    home = rng.integers(0, n_topics, n_users)[users]
    kind = rng.random(len(users))
    near = home // 4 * 4 + rng.integers(0, 4, len(users))
    where = np.where(kind < 0.5, home, np.where(kind < 0.65, near, rng.integers(0, n_topics, len(users))))
    member = where * per_topic + rng.integers(0, per_topic, len(users))
    hub = n_topics * per_topic + rng.integers(0, n_hubs, len(users))
    pair = np.unique(users * n_subreddits + np.where(kind > 0.75, hub, member))
    shuffled = rng.permutation(n_subreddits)
    users = (pair // n_subreddits).astype(np.int32)
    subreddits = shuffled[pair % n_subreddits].astype(np.int32)
    planted = np.empty(n_subreddits, np.int32)
    planted[shuffled] = topic
    overlap = shared_users(users, subreddits, n_subreddits, minimum=3)
    size = np.bincount(subreddits, minlength=n_subreddits).astype(np.int32)
    bound = lift_bound(overlap.shared, size[overlap.source], size[overlap.target], n_users)
    kept = bound > 0
    field = np.where(planted < 0, -1, planted // 4).astype(np.int32)
    links = overlap.source[kept], overlap.target[kept], bound[kept]
    return World(n_users, n_subreddits, users, subreddits, planted, field, *links)
