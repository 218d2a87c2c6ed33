"""A map: communities as discs inside discs, subreddits evenly inside these, users between theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import igraph
import numpy as np
import numpy.typing as npt

from redclust.graph.communities import Communities, require_edges
from redclust.graph.ordering import stable_order
from redclust.graph.packing import annulus, enclosing_circle, evened, polar, ring, separate, summed
from redclust.graph.randomness import seeded_igraph
from redclust.graph.weights import backbone

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

_NODE_ITERATIONS = 200
_DISC_ITERATIONS = 500
#: Strongest neighbours of a community that draw it; with all of them everything is near everything.
_DISC_NEIGHBOURS = 6
#: Room around a lower disc, in radii of a mean node, and around an upper one, as a share of its radius.
_LOWER_GAP = 0.5
_UPPER_GAP_RATIO = 0.08
#: How far users stray from their place, as a share of the mean distance between subreddits.
_USER_SPREAD_RATIO = 0.15


@dataclass(frozen=True, slots=True)
class _Edges:
    source: Int32Array
    target: Int32Array
    weight: FloatArray

    def at(self, which: npt.NDArray[Any] | slice) -> _Edges:
        return _Edges(self.source[which], self.target[which], self.weight[which])


def place(
    n: int,
    source: Int32Array,
    target: Int32Array,
    weight: FloatArray,
    communities: Communities,
    *,
    seed: int,
    size: FloatArray | None = None,
) -> FloatArray:
    """Place the nodes so that communities are apart and strongly linked nodes are near each other.

    Inside each lower community springs (Fruchterman-Reingold) draw the nodes, which are then moved half-way
    to an even density in a disc; these discs are drawn by the links between them and pushed apart inside
    the disc of the upper community, and those in turn on the map. At last every disc is turned, and
    mirrored if need be, so that nodes face what they are linked to outside. Communities linked to no other
    lie around the map, nodes without edges around these. The same arguments give the same result, bit for
    bit. About 2.5 s for 20,000 nodes and 2 million edges, 8 s for 100,000 and 5 million; igraph keeps the
    interpreter locked, see :func:`redclust.graph.worker.run_in_worker`.

    Shapes:
        source, target, weight: (p,), as for :func:`redclust.graph.communities.detect`.
        size: (n,), the area each node takes, above 0; 1 each by default.
        returns: (n, 2), the middle of the map at 0, no two nodes at one place; a node of size 1 has about
            a disc of radius 1 to itself.

    Raises:
        ValueError: as ``detect``; or an edge of a node that is in no community; or a size that is not
            positive and finite.

    Source:
        Fruchterman and Reingold, Software: Practice and Experience 21 (1991).
    """
    require_edges(n, source, target, weight)
    area = np.ones(n) if size is None else size
    if not bool((np.isfinite(area) & (area > 0)).all()) or len(area) != n:
        raise ValueError("a size is missing, or is not positive and finite")
    edges = _Edges(source, target, weight)
    placed = np.flatnonzero(communities.levels[1] >= 0)
    upper, lower = communities.levels[0], communities.levels[1]
    if bool((lower[source] < 0).any()) or bool((lower[target] < 0).any()):
        raise ValueError("a node with an edge is in no community")
    n_lower, n_upper = int(lower.max(initial=-1)) + 1, int(upper.max(initial=-1)) + 1
    upper_of = np.zeros(n_lower, np.int32)
    upper_of[lower[placed]] = upper[placed]
    lower_radius = np.sqrt(np.bincount(lower[placed], area[placed], n_lower))
    lower_links = _links_between(lower, n_lower, edges)
    upper_links = _links_between(upper, n_upper, edges)
    gap = _LOWER_GAP * float(np.sqrt(area.mean())) if n else 0.0
    with seeded_igraph(seed):
        inside = _place_members(n_lower, lower, edges, area)
        lower_centre, upper_radius = _pack_lower(n_upper, upper_of, lower_radius, gap, lower_links)
        upper_centre = _pack_upper(upper_radius, upper_links)
    lower_centre = _turned(lower_centre, upper_of, upper_centre, lower_links)
    lower_centre += upper_centre[upper_of]
    position = np.zeros(n, np.complex128)
    position[placed] = _turned(inside, lower, lower_centre, edges)[placed] + lower_centre[lower[placed]]
    alone = np.flatnonzero(lower < 0)
    reach = float((np.abs(upper_centre) + upper_radius).max(initial=0.0))
    position[alone] = annulus(area[alone], reach + 2.0 * gap if reach else 0.0)
    return np.stack((position.real, position.imag), axis=1)


def user_positions(
    users: Int32Array,
    subreddits: Int32Array,
    activity: npt.NDArray[np.integer] | FloatArray,
    positions: FloatArray,
    n_users: int,
) -> FloatArray:
    """Place each user at the mean of the places of its subreddits, weighted by activity there; linear.

    Every user is set off by a different small way (at most 0.15 of the mean distance between subreddits), so
    that users of the same subreddits do not coincide. Users without a membership lie around the map.

    Shapes:
        users, subreddits, activity: (m,), a membership each, activity above 0.
        positions: (n_subreddits, 2), as of :func:`place`, on any scale; returns: (n_users, 2).

    Raises:
        ValueError: an activity is not positive.
    """
    if len(activity) and not bool((activity > 0).all()):
        raise ValueError("an activity is not positive")
    where = positions[:, 0] + 1j * positions[:, 1]
    total = np.bincount(users, activity, n_users)
    place_of = summed(users, where[subreddits] * activity, n_users)
    member = total > 0
    place_of[member] /= total[member]
    spacing = float(np.abs(where - where.mean()).max()) / np.sqrt(len(where)) if len(where) > 1 else 1.0
    spacing = spacing or 1.0
    place_of += annulus(np.full(n_users, (_USER_SPREAD_RATIO * spacing) ** 2 / max(n_users, 1)), 0.0)
    outside = np.flatnonzero(~member)
    reach = float(np.abs(where).max(initial=0.0)) + 2.0 * spacing
    place_of[outside] = annulus(np.full(len(outside), spacing**2 / 10.0), reach)
    return np.stack((place_of.real, place_of.imag), axis=1)


def _links_between(group: Int32Array, n_groups: int, edges: _Edges) -> _Edges:
    """The links between groups: the summed weight of the edges from one to the other, each pair once."""
    one, other = group[edges.source], group[edges.target]
    between = one != other
    one, other = one[between].astype(np.int64), other[between].astype(np.int64)
    pair, which = np.unique(np.minimum(one, other) * n_groups + np.maximum(one, other), return_inverse=True)
    weight = np.bincount(which, edges.weight[between], len(pair)).astype(np.float64, copy=False)
    return _Edges(
        (pair // max(n_groups, 1)).astype(np.int32), (pair % max(n_groups, 1)).astype(np.int32), weight
    )


def _grouped(group: Int32Array, n_groups: int) -> tuple[Int64Array, Int64Array]:
    """Members by group, in their order, and where each group begins among them (one more: the end)."""
    order = stable_order(group, max(n_groups, 1))
    return order, np.searchsorted(group[order], np.arange(n_groups + 1))


def _place_members(n_lower: int, lower: Int32Array, edges: _Edges, area: FloatArray) -> ComplexArray:
    """The place of every node in the disc of its lower community, around 0."""
    placed = np.flatnonzero(lower >= 0)
    order, first = _grouped(lower[placed], n_lower)
    members = placed[order]
    number = np.zeros(len(lower), np.int32)
    number[members] = np.arange(len(members)) - np.repeat(first[:-1], np.diff(first))
    inner = edges.at(np.flatnonzero(lower[edges.source] == lower[edges.target]))
    order, first_edge = _grouped(lower[inner.source], n_lower)
    inner = inner.at(order)
    inner = _Edges(number[inner.source], number[inner.target], inner.weight)
    place_of = np.zeros(len(lower), np.complex128)
    for c in range(n_lower):
        member = members[first[c] : first[c + 1]]
        drawn = _spring(len(member), inner.at(slice(first_edge[c], first_edge[c + 1])), _NODE_ITERATIONS)
        place_of[member] = evened(drawn, area[member])
    return place_of


def _spring(n: int, edges: _Edges, iterations: int) -> ComplexArray:
    """Fruchterman-Reingold from a sunflower, which is free of chance and of coinciding places."""
    start = annulus(np.ones(n), 0.0)
    if n < 3:
        return start
    graph = cast(Any, igraph).Graph(n, edges=zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    layout = graph.layout_fruchterman_reingold(
        weights=edges.weight.tolist(),
        niter=iterations,
        seed=np.stack((start.real, start.imag), axis=1).tolist(),
    )
    drawn = np.array(layout.coords, dtype=np.float64)
    return drawn[:, 0] + 1j * drawn[:, 1]


def _draw_discs(n: int, links: _Edges) -> ComplexArray:
    """Places for communities by the lift of the links between them: large ones draw no more than small."""
    strength = np.bincount(links.source, links.weight, n) + np.bincount(links.target, links.weight, n)
    lift = links.weight * strength.sum() / (strength[links.source] * strength[links.target])
    links = _Edges(links.source, links.target, lift)
    strongest = backbone(links.source, links.target, lift, n, _DISC_NEIGHBOURS)
    return _spring(n, links.at(strongest), _DISC_ITERATIONS)


def _pack_lower(
    n_upper: int, upper_of: Int32Array, radius: FloatArray, gap: float, links: _Edges
) -> tuple[ComplexArray, FloatArray]:
    """The centre of every lower disc in its upper disc, around 0, and the radius of each upper disc."""
    members, first = _grouped(upper_of, n_upper)
    number = np.empty(len(upper_of), np.int32)
    number[members] = np.arange(len(members)) - np.repeat(first[:-1], np.diff(first))
    inner = links.at(np.flatnonzero(upper_of[links.source] == upper_of[links.target]))
    order, first_link = _grouped(upper_of[inner.source], n_upper)
    inner = inner.at(order)
    inner = _Edges(number[inner.source], number[inner.target], inner.weight)
    centre = np.zeros(len(upper_of), np.complex128)
    upper_radius = np.zeros(n_upper)
    for u in range(n_upper):
        member = members[first[u] : first[u + 1]]
        drawn = _draw_discs(len(member), inner.at(slice(first_link[u], first_link[u + 1])))
        packed = separate(drawn, radius[member] + gap)
        middle, upper_radius[u] = enclosing_circle(packed, radius[member])
        centre[member] = packed - middle
    return centre, upper_radius


def _pack_upper(radius: FloatArray, links: _Edges) -> ComplexArray:
    linked = np.zeros(len(radius), np.bool_)
    linked[links.source] = True
    linked[links.target] = True
    number = np.cumsum(linked, dtype=np.int32) - np.int32(1)
    links = _Edges(number[links.source], number[links.target], links.weight)
    drawn = _draw_discs(int(np.count_nonzero(linked)), links)
    roomy = radius * (1.0 + _UPPER_GAP_RATIO)
    packed = separate(drawn, roomy[linked])
    middle, reach = enclosing_circle(packed, roomy[linked])
    centre = np.zeros(len(radius), np.complex128)
    centre[linked] = packed - middle
    centre[~linked] = ring(roomy[~linked], reach)
    return centre


def _turned(inside: ComplexArray, group: Int32Array, centre: ComplexArray, links: _Edges) -> ComplexArray:
    """Each group turned around its centre, and mirrored if that is better, towards what it is linked to.

    With p the place of a member and t the weighted directions of its links to other groups, the sum of
    p . t over a group is largest when it is turned by the angle of the sum of conj(p) t; mirrored, of p t.
    """
    links = links.at(np.flatnonzero(group[links.source] != group[links.target]))
    way = centre[group[links.target]] - centre[group[links.source]]
    pull = way / np.abs(way) * links.weight
    pulled = summed(links.source, pull, len(inside)) - summed(links.target, pull, len(inside))
    member = np.flatnonzero(group >= 0)
    turned = summed(group[member], (np.conj(inside) * pulled)[member], len(centre))
    mirrored = summed(group[member], (inside * pulled)[member], len(centre))
    mirror = np.abs(mirrored) > np.abs(turned)
    turn = polar(np.ones(len(centre)), np.angle(np.where(mirror, mirrored, turned)))
    result = np.zeros(len(inside), np.complex128)
    mine = group[member]
    result[member] = np.where(mirror[mine], np.conj(inside[member]), inside[member]) * turn[mine]
    return result
