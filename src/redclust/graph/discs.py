"""Communities as discs inside discs: what each takes of the plane, and how its members are drawn in it.

Places are complex numbers; a node of size 1 has about a disc of radius 1 to itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from redclust.graph.bare_igraph import igraph
from redclust.graph.ordering import stable_order
from redclust.graph.packing import annulus, enclosing_circle, evened, polar, ring, separate, summed
from redclust.graph.weights import backbone

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ComplexArray = npt.NDArray[np.complex128]

_NODE_ITERATIONS = 200
_DISC_ITERATIONS = 500
#: Strongest neighbours of a community that draw it; with all of them everything is near everything.
_DISC_NEIGHBOURS = 6
#: Room around a lower disc, in radii of a mean node, and around an upper one, as a share of its radius.
_LOWER_GAP = 0.5
UPPER_GAP_RATIO = 0.08


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of nodes or of groups, each unordered pair once, with the weight of the link."""

    source: Int32Array
    target: Int32Array
    weight: FloatArray

    def at(self, which: npt.NDArray[Any] | slice) -> Edges:
        return Edges(self.source[which], self.target[which], self.weight[which])


@dataclass(frozen=True, slots=True)
class Discs:
    """The two levels of communities that are drawn as discs, ``lower`` ones inside ``upper`` ones.

    Shapes:
        area, upper, lower: (n,), the latter two -1 for a node in no community.
        upper_of, radius: (lower communities,); upper_links, lower_links: links between communities.
    """

    edges: Edges
    area: FloatArray
    upper: Int32Array
    lower: Int32Array
    upper_of: Int32Array
    radius: FloatArray
    gap: float
    upper_links: Edges
    lower_links: Edges

    @classmethod
    def of(cls, edges: Edges, area: FloatArray, upper: Int32Array, lower: Int32Array) -> Discs:
        placed = np.flatnonzero(lower >= 0)
        n_lower, n_upper = int(lower.max(initial=-1)) + 1, int(upper.max(initial=-1)) + 1
        upper_of = np.zeros(n_lower, np.int32)
        upper_of[lower[placed]] = upper[placed]
        return cls(
            edges,
            area,
            upper,
            lower,
            upper_of,
            np.sqrt(np.bincount(lower[placed], area[placed], n_lower)),
            _LOWER_GAP * float(np.sqrt(area.mean())) if len(area) else 0.0,
            links_between(upper, n_upper, edges),
            links_between(lower, n_lower, edges),
        )

    @property
    def n_lower(self) -> int:
        return len(self.upper_of)

    @property
    def n_upper(self) -> int:
        return int(self.upper.max(initial=-1)) + 1


def links_between(group: Int32Array, n_groups: int, edges: Edges) -> Edges:
    """The links between groups: the summed weight of the edges from one to the other, each pair once."""
    one, other = group[edges.source], group[edges.target]
    between = one != other
    one, other = one[between].astype(np.int64), other[between].astype(np.int64)
    pair, which = np.unique(np.minimum(one, other) * n_groups + np.maximum(one, other), return_inverse=True)
    weight = np.bincount(which, edges.weight[between], len(pair)).astype(np.float64, copy=False)
    return Edges(
        (pair // max(n_groups, 1)).astype(np.int32), (pair % max(n_groups, 1)).astype(np.int32), weight
    )


def grouped(group: Int32Array, n_groups: int) -> tuple[Int64Array, Int64Array]:
    """Members by group, in their order, and where each group begins among them (one more: the end)."""
    order = stable_order(group, max(n_groups, 1))
    return order, np.searchsorted(group[order], np.arange(n_groups + 1))


def place_members(discs: Discs, some: BoolArray) -> ComplexArray:
    """The place of every node of some lower communities in its disc, around 0; 0 for the others.

    Shapes:
        some: (lower communities,); returns: (n,).
    """
    lower, edges, area, n_lower = discs.lower, discs.edges, discs.area, discs.n_lower
    placed = np.flatnonzero(lower >= 0)
    order, first = grouped(lower[placed], n_lower)
    members = placed[order]
    number = np.zeros(len(lower), np.int32)
    number[members] = np.arange(len(members)) - np.repeat(first[:-1], np.diff(first))
    inner = edges.at(np.flatnonzero(lower[edges.source] == lower[edges.target]))
    order, first_edge = grouped(lower[inner.source], n_lower)
    inner = inner.at(order)
    inner = Edges(number[inner.source], number[inner.target], inner.weight)
    place_of = np.zeros(len(lower), np.complex128)
    for c in np.flatnonzero(some).tolist():
        member = members[first[c] : first[c + 1]]
        drawn = _spring(len(member), inner.at(slice(first_edge[c], first_edge[c + 1])), _NODE_ITERATIONS)
        place_of[member] = evened(drawn, area[member])
    return place_of


def _spring(n: int, edges: Edges, iterations: int) -> ComplexArray:
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


def _draw_discs(n: int, links: Edges) -> ComplexArray:
    """Places for communities by the lift of the links between them: large ones draw no more than small."""
    strength = np.bincount(links.source, links.weight, n) + np.bincount(links.target, links.weight, n)
    lift = links.weight * strength.sum() / (strength[links.source] * strength[links.target])
    links = Edges(links.source, links.target, lift)
    strongest = backbone(links.source, links.target, lift, n, _DISC_NEIGHBOURS)
    return _spring(n, links.at(strongest), _DISC_ITERATIONS)


def pack_lower(discs: Discs, some: BoolArray) -> tuple[ComplexArray, FloatArray]:
    """The centre of every lower disc in its upper disc, around 0, and the radius of each upper disc.

    Shapes:
        some: (upper communities,), those to pack; the others' are 0.
        returns: (lower communities,) and (upper communities,).
    """
    n_upper, upper_of, radius, links = discs.n_upper, discs.upper_of, discs.radius, discs.lower_links
    members, first = grouped(upper_of, n_upper)
    number = np.empty(len(upper_of), np.int32)
    number[members] = np.arange(len(members)) - np.repeat(first[:-1], np.diff(first))
    inner = links.at(np.flatnonzero(upper_of[links.source] == upper_of[links.target]))
    order, first_link = grouped(upper_of[inner.source], n_upper)
    inner = inner.at(order)
    inner = Edges(number[inner.source], number[inner.target], inner.weight)
    centre = np.zeros(len(upper_of), np.complex128)
    upper_radius = np.zeros(n_upper)
    for u in np.flatnonzero(some).tolist():
        member = members[first[u] : first[u + 1]]
        drawn = _draw_discs(len(member), inner.at(slice(first_link[u], first_link[u + 1])))
        packed = separate(drawn, radius[member] + discs.gap)
        middle, upper_radius[u] = enclosing_circle(packed, radius[member])
        centre[member] = packed - middle
    return centre, upper_radius


def pack_upper(radius: FloatArray, links: Edges) -> ComplexArray:
    """The centre of every upper disc, the middle of all at 0; those without links lie around them."""
    linked = np.zeros(len(radius), np.bool_)
    linked[links.source] = True
    linked[links.target] = True
    number = np.cumsum(linked, dtype=np.int32) - np.int32(1)
    links = Edges(number[links.source], number[links.target], links.weight)
    drawn = _draw_discs(int(np.count_nonzero(linked)), links)
    roomy = radius * (1.0 + UPPER_GAP_RATIO)
    packed = separate(drawn, roomy[linked])
    middle, reach = enclosing_circle(packed, roomy[linked])
    centre = np.zeros(len(radius), np.complex128)
    centre[linked] = packed - middle
    centre[~linked] = ring(roomy[~linked], reach)
    return centre


def turned(inside: ComplexArray, group: Int32Array, centre: ComplexArray, links: Edges) -> ComplexArray:
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
