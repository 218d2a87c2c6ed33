"""The next version of a map: what was there stays where it was, what is new finds a place beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.graph.discs import UPPER_GAP_RATIO, Discs, Edges, grouped, pack_lower, place_members, turned
from redclust.graph.identity import Before, match
from redclust.graph.packing import annulus, apart, enclosing_circle, free_places, ring, summed

Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ComplexArray = npt.NDArray[np.complex128]

#: Least distance of a newcomer to its neighbours, in radii of a node; evenly spread ones are 1.8 apart.
_ELBOW_ROOM = 0.9


@dataclass(frozen=True, slots=True)
class _Kept:
    """What goes on from the map before.

    Shapes:
        at: (n,), where nodes were; NaN for those that were not in the disc their community goes on from.
        lower: (lower communities,), those drawn as they were; home: of these, those in their old upper one.
        upper: (upper communities,), those drawn around the lower ones that are at home in them.
    """

    at: ComplexArray
    lower: BoolArray
    home: BoolArray
    upper: BoolArray


def anchored(discs: Discs, before: Before) -> ComplexArray:
    """Place the nodes as they were placed before, and make room where that is needed.

    A lower community goes on from the one before with which it has most members in common. Where these are
    half of its members at least, they stay put, and those that came are placed between the ones they are
    linked to; else it is drawn anew. Discs keep their centres and push each other only as far as they have
    grown by more than the room that was left between them (half a mean node's radius each). An upper
    community of which less than half goes on is packed anew, at the middle of where its members were. Costs
    less than drawing everything, the less the less has changed.

    Shapes:
        returns: (n,).
    """
    kept = _kept(discs, before)
    inside, centre, radius = _lower_discs(discs, kept)
    centre = _with_newcomers(discs, kept, centre)
    packed, upper_radius = pack_lower(discs, ~kept.upper)
    upper_centre = _middles(discs, before)
    first = _Groups(discs.upper_of, discs.n_upper)
    for u in np.flatnonzero(kept.upper).tolist():
        members = first.of(u)
        centre[members] = apart(centre[members], radius[members])
        upper_centre[u], upper_radius[u] = enclosing_circle(centre[members], radius[members])
    new = ~kept.upper[discs.upper_of]
    moved = _apart_with_outsiders(upper_centre, upper_radius * (1.0 + UPPER_GAP_RATIO / 2.0))
    turned_packed = turned(packed, discs.upper_of, np.nan_to_num(moved), discs.lower_links)
    centre += np.where(kept.upper, moved - np.nan_to_num(upper_centre), 0.0)[discs.upper_of]
    centre[new] = turned_packed[new] + moved[discs.upper_of[new]]
    drawn = turned(inside, discs.lower, centre, discs.edges)
    placed = np.flatnonzero(discs.lower >= 0)
    of = discs.lower[placed]
    position = np.zeros(len(discs.lower), np.complex128)
    position[placed] = np.where(kept.lower[of], inside[placed], drawn[placed]) + centre[of]
    reach = float((np.abs(moved) + upper_radius).max(initial=0.0))
    return _with_loners(discs, before, position, reach)


class _Groups:
    """Members of each group."""

    def __init__(self, group: Int32Array, n_groups: int) -> None:
        self._members, self._first = grouped(group, n_groups)

    def of(self, number: int) -> npt.NDArray[np.int64]:
        return self._members[self._first[number] : self._first[number + 1]]


def _complex(position: FloatArray) -> ComplexArray:
    return position[:, 0] + 1j * position[:, 1]


def _kept(discs: Discs, before: Before) -> _Kept:
    at = _complex(before.position)
    old_upper, old_lower = before.levels[0], before.levels[1]
    goes_on, upper_goes_on = match(discs.lower, old_lower), match(discs.upper, old_upper)
    stays = (discs.lower >= 0) & (old_lower >= 0) & np.isfinite(at)
    stays[stays] = goes_on[discs.lower[stays]] == old_lower[stays]
    members = np.bincount(discs.lower[discs.lower >= 0], minlength=discs.n_lower)
    staying = np.bincount(discs.lower[stays], minlength=discs.n_lower)
    lower = 2 * staying >= members
    stays[stays] = lower[discs.lower[stays]]
    at_home = stays.copy()
    at_home[stays] = upper_goes_on[discs.upper[stays]] == old_upper[stays]
    home = lower & (2 * np.bincount(discs.lower[at_home], minlength=discs.n_lower) >= members)
    area = np.square(discs.radius)
    of_upper = np.bincount(discs.upper_of, area, discs.n_upper)
    upper = 2.0 * np.bincount(discs.upper_of, area * home, discs.n_upper) >= of_upper
    return _Kept(np.where(stays, at, np.nan), lower, home, upper)


def _lower_discs(discs: Discs, kept: _Kept) -> tuple[ComplexArray, ComplexArray, FloatArray]:
    """Every node in its disc, around 0; each disc's centre, NaN where it has none yet; and its radius."""
    inside = place_members(discs, ~kept.lower)
    centre = np.full(discs.n_lower, np.nan, np.complex128)
    radius = discs.radius.copy()
    first = _Groups(np.where(discs.lower < 0, discs.n_lower, discs.lower).astype(np.int32), discs.n_lower + 1)
    pull = _pulls(discs, kept)
    for c in np.flatnonzero(kept.lower).tolist():
        members = first.of(c)
        here = kept.at[members]
        there = np.isfinite(here)
        within = float(discs.radius[c]) + discs.gap
        middle, reach = _disc_around(here[there], discs.area[members][there], within)
        node_radius = np.sqrt(discs.area[members])
        # Those that came: between the ones they are linked to, where there is room.
        if not bool(there.all()):
            wanted = np.where(np.isfinite(pull[members]), pull[members], middle)[~there]
            here[~there] = free_places(here[there], wanted, _ELBOW_ROOM * float(node_radius.mean()))
        inside[members] = here - middle
        centre[c] = middle
        radius[c] = max(radius[c], reach)
    return inside, np.where(kept.home, centre, np.nan), radius


def _disc_around(at: ComplexArray, area: FloatArray, radius: float) -> tuple[complex, float]:
    """The disc that nodes were drawn in, around their mean; another one if that is wider than ``radius``.

    So a community that has hardly changed has the disc it had, and pushes nobody.
    """
    middle = complex(np.average(at, weights=area))
    reach = float(np.abs(at - middle).max())
    return (middle, reach) if reach <= radius else enclosing_circle(at, np.full(len(at), 1e-9))


def _pulls(discs: Discs, kept: _Kept) -> ComplexArray:
    """The mean place of the nodes of its disc that each is linked to and that stayed; NaN without any."""
    edges = discs.edges.at(np.flatnonzero(discs.lower[discs.edges.source] == discs.lower[discs.edges.target]))
    return _mean_of_neighbours(edges, kept.at)


def _mean_of_neighbours(edges: Edges, at: ComplexArray) -> ComplexArray:
    there = np.isfinite(at)
    where, n = np.where(there, at, 0.0), len(at)
    pulled = np.zeros(n, np.complex128)
    total = np.zeros(n)
    for node, neighbour in ((edges.source, edges.target), (edges.target, edges.source)):
        weight = np.where(there[neighbour], edges.weight, 0.0)
        pulled += summed(node, where[neighbour] * weight, n)
        total += np.bincount(node, weight, n)
    return np.where(total > 0, pulled / np.where(total > 0, total, 1.0), np.nan)


def _with_newcomers(discs: Discs, kept: _Kept, centre: ComplexArray) -> ComplexArray:
    """Discs that are new in an upper disc that goes on, between the discs there that they are linked to."""
    links = discs.lower_links
    same = np.flatnonzero(discs.upper_of[links.source] == discs.upper_of[links.target])
    wanted = _mean_of_neighbours(links.at(same), centre)
    there = np.isfinite(centre)
    n_there = np.bincount(discs.upper_of[there], minlength=discs.n_upper)
    middle = summed(discs.upper_of[there], centre[there], discs.n_upper) / np.maximum(n_there, 1)
    new = ~there & kept.upper[discs.upper_of]
    # Off each other and off the centre of what is there: discs at one place would not push each other.
    nudge = 0.1 * discs.gap * annulus(np.ones(len(centre)), 1.0)
    result = centre.copy()
    result[new] = np.where(np.isfinite(wanted), wanted, middle[discs.upper_of])[new] + nudge[new]
    return np.where(np.isfinite(result), result, 0.0)


def _middles(discs: Discs, before: Before) -> ComplexArray:
    """Where the members of each upper community were on the average; NaN where none of them was."""
    at = _complex(before.position)
    there = np.isfinite(at) & (discs.upper >= 0)
    n_there = np.bincount(discs.upper[there], minlength=discs.n_upper)
    middle = summed(discs.upper[there], at[there], discs.n_upper) / np.maximum(n_there, 1)
    return np.where(n_there > 0, middle, np.nan)


def _apart_with_outsiders(centre: ComplexArray, radius: FloatArray) -> ComplexArray:
    """Discs pushed apart; those without a centre lie around the others."""
    there = np.isfinite(centre)
    result = centre.copy()
    result[there] = apart(centre[there], radius[there])
    reach = float((np.abs(result[there]) + radius[there]).max(initial=0.0))
    result[~there] = ring(radius[~there], reach)
    return result


def _with_loners(discs: Discs, before: Before, position: ComplexArray, reach: float) -> ComplexArray:
    """Nodes without edges around the map: where they were if that is outside still, else farther out."""
    at = _complex(before.position)
    alone = discs.lower < 0
    stays = alone & (before.levels[1] < 0) & np.isfinite(at)
    stays &= np.abs(np.where(stays, at, 0.0)) > reach + discs.gap
    position[stays] = at[stays]
    outside = float(np.abs(position[stays]).max(initial=reach)) + 2.0 * discs.gap
    rest = np.flatnonzero(alone & ~stays)
    position[rest] = annulus(discs.area[rest], outside)
    return position
