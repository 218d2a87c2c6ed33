"""``benchmark map``: how well planted communities are found and drawn, beside other ways to do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from redclust.graph.agreement import adjusted_mutual_information, adjusted_rand
from redclust.graph.bare_igraph import igraph
from redclust.graph.communities import detect
from redclust.graph.layout import place
from redclust.graph.overlap import Minimum, Overlap, shared_users
from redclust.graph.randomness import seeded_igraph
from redclust.graph.weights import backbone, steady_lift_bound
from redclust.ops.benchmark import stable
from redclust.ops.benchmark.planted import (
    FIELD_SHARE,
    HUB_SHARE,
    TOPIC_SHARE,
    PlantedGraph,
    PlantedWorld,
    plant_graph,
    plant_world,
)
from redclust.ops.benchmark.scores import LayoutScore, own_group_share, score_layout, strongest
from redclust.ops.benchmark.stable import Stability
from redclust.report import Progress, Report, Task

Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]

#: Users that two subreddits must share, and the cap of subreddits a user, as precalc has them by default.
_MINIMUM, _CAP = Minimum(3, 2), 100
_MEMORY_BYTES = 256 * 1024 * 1024
#: To reach with at least so many subreddits: agreement at both levels, and neighbours of the own topic.
BARS_FROM_SUBREDDITS = 20_000
FIELDS_TO_REACH, TOPICS_TO_REACH, OWN_TOPIC_TO_REACH = 0.98, 0.88, 0.92
#: The plainest rule must not find the planted fields, or the world is too easy.
PLAINEST_MOST = 0.4
#: Of the layout.
NEAREST_TO_REACH, RECALL_TO_REACH = 0.95, 0.29
#: A map of at least so many subreddits moves by less, and regroups fewer, when a hundredth changes.
MOVED_MOST, REGROUPED_MOST = 0.005, 0.05
#: DrL takes minutes above so many nodes.
_DRL_NODES = 20_000


@dataclass(frozen=True, slots=True)
class Quality:
    """One way to weigh and cluster: agreement with the planted fields and topics, hubs left aside.

    ``own_topic`` is the share of the ten strongest neighbours that are of the own topic, ``own_topic_of_ten``
    where one that is missing counts as of another; None where links have no strength.
    """

    way: str
    edges: int
    communities: int
    fields_rand: float
    fields_information: float
    topics_rand: float
    topics_information: float
    own_topic: float | None
    own_topic_of_ten: float | None
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to draw; ``cpu_s`` of finding communities, where it does, and of drawing."""

    way: str
    edges: int
    score: LayoutScore
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A planted graph, drawn in several ways, the chosen one first."""

    nodes: int
    links: int
    topics: int
    fields: int
    layouts: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """Shares of memberships of the planted world, the rest is noise; ``cap`` and ``minimum`` of precalc."""

    hubs: float
    own_topic: float
    own_field: float
    cap: int
    minimum: str


@dataclass(frozen=True, slots=True)
class MapBenchmark(Report):
    """The chosen way stands first in all lists; ``missed`` are the bars that it did not reach."""

    verb: ClassVar[str] = "benchmark.map"
    seed: int
    people: int
    bots: int
    subreddits: int
    memberships: int
    bots_left_out: int
    people_left_out: int
    qualities: tuple[Quality, ...]
    planted: Planted
    stability: tuple[Stability, ...]
    drawings: tuple[Drawing, ...]
    missed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.missed


def map_benchmark(
    *, people: int, subreddits: int, bots: int, nodes: Sequence[int], seed: int, progress: Progress
) -> MapBenchmark:
    """Plant a world and a graph, and measure what precalc does with them beside other ways.

    Computes in this process and needs no database. The other ways get the same people as precalc, that is
    without bots, and pairs from three shared users on.

    Raises:
        ValueError: fewer than 500 subreddits or nodes.
    """
    if min(subreddits, *nodes) < 500:
        raise ValueError("needs 500 subreddits and nodes at least")
    with progress.task("planting a world"):
        world = plant_world(people, subreddits, n_bots=bots, seed=seed)
    degree = np.bincount(world.users, minlength=people + bots)
    over = degree > _CAP
    kept = ~over[world.users]
    size = np.bincount(world.subreddits[kept], minlength=subreddits).astype(np.int32)
    with progress.task("counting shared users"):
        pairs = shared_users(
            world.users[kept],
            world.subreddits[kept],
            subreddits,
            minimum=_MINIMUM,
            memory_bytes=_MEMORY_BYTES,
        )
    with progress.task("clustering in several ways") as task:
        qualities = _qualities(world, pairs, size, int(np.count_nonzero(~over)), seed, task)
    with progress.task("changing a hundredth"):
        stability = _stability(world, seed)
    drawings: list[Drawing] = []
    for n in nodes:
        with progress.task(f"drawing {n:,} nodes in several ways") as task:
            graph = plant_graph(n, 50 * n, n_fields=_fields(n), n_topics=_topics(n), seed=seed)
            layouts = _layouts(graph, n, seed, task)
        drawings.append(Drawing(n, len(graph.source), _topics(n), _fields(n), layouts))
    return MapBenchmark(
        seed=seed,
        people=people,
        bots=bots,
        subreddits=subreddits,
        memberships=len(world.users),
        bots_left_out=int(np.count_nonzero(over[people:])),
        people_left_out=int(np.count_nonzero(over[:people])),
        qualities=qualities,
        planted=Planted(HUB_SHARE, TOPIC_SHARE, FIELD_SHARE, _CAP, str(_MINIMUM)),
        stability=stability,
        drawings=tuple(drawings),
        missed=_missed(qualities, stability, drawings, subreddits),
    )


def _stability(world: PlantedWorld, seed: int) -> tuple[Stability, ...]:
    n = len(world.topic)

    def links(users: Int32Array, subreddits: Int32Array) -> stable.Edges:
        return stable.close_pairs(
            users, subreddits, n, minimum=_MINIMUM, cap=_CAP, memory_bytes=_MEMORY_BYTES
        )

    before = world.users, world.subreddits
    return stable.measure(n, links(*before), links(*stable.changed(*before, n, seed=seed)), seed=seed)


def _topics(nodes: int) -> int:
    return max(20, nodes // 125)


def _fields(nodes: int) -> int:
    return max(5, _topics(nodes) // 12)


def _qualities(
    world: PlantedWorld, pairs: Overlap, size: Int32Array, n_people: int, seed: int, task: Task
) -> tuple[Quality, ...]:
    n = len(size)
    a, b = size[pairs.source], size[pairs.target]
    shared = pairs.shared.astype(np.float64)
    lift = steady_lift_bound(pairs, size, n_people)
    every = np.ones(len(lift), np.bool_)
    drawn = lift > 0
    drawn[drawn] = backbone(pairs.source[drawn], pairs.target[drawn], lift[drawn], n)
    ways: tuple[tuple[str, FloatArray, npt.NDArray[np.bool_]], ...] = (
        ("redclust: lift's lower bound, all links above chance", lift, lift > 0),
        ("the same, ten strongest links of each only", lift, drawn),
        ("Jaccard, all links", shared / (a + b - shared), every),
        ("shared users, all links", shared, every),
    )
    task.total(len(ways) + 1)
    found: list[Quality] = []
    for way, weight, some in ways:
        edges = pairs.source[some], pairs.target[some], weight[some]
        task.note(way)
        started_s = time.process_time()
        levels = detect(n, *edges, seed=seed).levels
        took_s = time.process_time() - started_s
        near = strongest(n, *edges)
        own = own_group_share(near, world.topic), own_group_share(near, world.topic, of_all=True)
        found.append(_quality(way, len(edges[0]), world, levels[0], levels[1], own, took_s))
        task.advance(1)
    task.note("every link alike")
    started_s = time.process_time()
    with seeded_igraph(seed):
        graph = cast(Any, igraph.Graph(n, edges=zip(*_lists(pairs.source, pairs.target), strict=True)))
        member = np.array(graph.community_multilevel().membership, np.int32)
    took_s = time.process_time() - started_s
    plain = "every link alike, Louvain (the reference system's rule)"
    found.append(_quality(plain, len(pairs.source), world, member, member, (None, None), took_s))
    task.advance(1)
    return tuple(found)


def _quality(
    way: str,
    edges: int,
    world: PlantedWorld,
    upper: Int32Array,
    lower: Int32Array,
    own: tuple[float | None, float | None],
    cpu_s: float,
) -> Quality:
    # Hubs belong to no topic. Who is in no community is in one of those without.
    asked = world.topic >= 0
    field, topic = world.field[asked], world.topic[asked]
    return Quality(
        way,
        edges,
        len(np.unique(upper[upper >= 0])),
        adjusted_rand(upper[asked], field),
        adjusted_mutual_information(upper[asked], field),
        adjusted_rand(lower[asked], topic),
        adjusted_mutual_information(lower[asked], topic),
        *own,
        cpu_s,
    )


def _layouts(graph: PlantedGraph, n: int, seed: int, task: Task) -> tuple[Layout, ...]:
    edges = graph.source, graph.target, graph.weight
    kept = backbone(*edges, n)
    drawn = graph.source[kept], graph.target[kept], graph.weight[kept]
    neighbours = strongest(n, *edges)

    def own(source: Int32Array, target: Int32Array, weight: FloatArray) -> FloatArray:
        return place(n, source, target, weight, detect(n, source, target, weight, seed=seed), seed=seed)

    def by_igraph(algorithm: str) -> Callable[[], FloatArray]:
        def draw() -> FloatArray:
            with seeded_igraph(seed):
                drawing = cast(Any, igraph.Graph(n, edges=zip(*_lists(*drawn[:2]), strict=True)))
                return np.array(drawing.layout(algorithm, weights=drawn[2].tolist()).coords, np.float64)

        return draw

    ways: list[tuple[str, int, Callable[[], FloatArray]]] = [
        ("redclust: nested discs, all links", len(edges[0]), lambda: own(*edges)),
        ("the same, ten strongest links of each only", len(drawn[0]), lambda: own(*drawn)),
        ("Fruchterman-Reingold (igraph), ten strongest", len(drawn[0]), by_igraph("fr")),
    ]
    if n <= _DRL_NODES:
        ways.append(("DrL (igraph), ten strongest", len(drawn[0]), by_igraph("drl")))
    task.total(len(ways))
    found: list[Layout] = []
    for way, n_edges, draw in ways:
        task.note(way)
        cpu_s, wall_s = time.process_time(), time.monotonic()
        position = draw()
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
        score = score_layout(position, graph.topic, neighbours, seed=seed)
        found.append(Layout(way, n_edges, score, cpu_s, wall_s))
        task.advance(1)
    return tuple(found)


def _lists(*columns: Int32Array) -> list[list[int]]:
    # igraph is slow with arrays.
    return [column.tolist() for column in columns]


def _missed(
    qualities: tuple[Quality, ...],
    stability: tuple[Stability, ...],
    drawings: Sequence[Drawing],
    subreddits: int,
) -> tuple[str, ...]:
    ours, plainest = qualities[0], qualities[-1]
    bars: list[tuple[str, float, float]] = []
    for one in drawings:
        score = one.layouts[0].score
        bars.append((f"nearest of the own topic, {one.nodes:,} nodes", score.own_topic, NEAREST_TO_REACH))
        bars.append((f"strongest neighbours near, {one.nodes:,} nodes", score.recall, RECALL_TO_REACH))
    if subreddits >= BARS_FROM_SUBREDDITS:
        bars += [
            ("fields (adjusted Rand)", ours.fields_rand, FIELDS_TO_REACH),
            ("topics (adjusted Rand)", ours.topics_rand, TOPICS_TO_REACH),
            ("strongest neighbours of the own topic", ours.own_topic or 0.0, OWN_TOPIC_TO_REACH),
        ]
    missed = [f"{what}: {value:.3f}, to reach {bar}" for what, value, bar in bars if value < bar]
    if subreddits >= BARS_FROM_SUBREDDITS:
        for what, share, most in (
            ("median way of a node, of the diameter", stability[0].moved_median, MOVED_MOST),
            ("subreddits in another community", stability[0].regrouped, REGROUPED_MOST),
        ):
            if share > most:
                missed.append(f"{what}: {share:.2%}, at most {most:.2%}")
    if plainest.fields_rand > PLAINEST_MOST:
        missed.append(f"the world is too easy: {plainest.way} finds {plainest.fields_rand:.3f} of it")
    return tuple(missed)
