"""A map: communities as discs inside discs, subreddits evenly inside these, users between theirs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from redclust.graph.anchoring import anchored
from redclust.graph.communities import Communities, require_edges
from redclust.graph.discs import Discs, Edges, pack_lower, pack_upper, place_members, turned
from redclust.graph.identity import Before
from redclust.graph.packing import annulus, polar, summed
from redclust.graph.randomness import seeded_igraph

Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

#: How far users stray from their place at most; subreddits are about 1.8 from each other.
_USER_SPREAD = 0.3
#: The grid that the middle of a user's subreddits is brought to first.
_USER_GRID = 0.2


def place(
    n: int,
    source: Int32Array,
    target: Int32Array,
    weight: FloatArray,
    communities: Communities,
    *,
    seed: int,
    size: FloatArray | None = None,
    before: Before | None = None,
) -> FloatArray:
    """Place the nodes so that communities are apart and strongly linked nodes are near each other.

    Inside each lower community springs (Fruchterman-Reingold) draw the nodes, which are then moved half-way
    to an even density in a disc; these discs are drawn by the links between them and pushed apart inside
    the disc of the upper community, and those in turn on the map. At last every disc is turned, and
    mirrored if need be, so that nodes face what they are linked to outside. Communities linked to no other
    lie around the map, nodes without edges around these.

    With the map ``before``, what was on it stays where it was as far as there is room: see
    :func:`redclust.graph.anchoring.anchored`. Where less than half of the nodes were on it, it is not used.

    The same arguments give the same result, bit for bit. About 2.5 s for 20,000 nodes and 2 million edges,
    8 s for 100,000 and 5 million; igraph keeps the interpreter locked, see
    :class:`redclust.graph.worker.Worker`.

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
    upper, lower = communities.levels[0], communities.levels[1]
    if bool((lower[source] < 0).any()) or bool((lower[target] < 0).any()):
        raise ValueError("a node with an edge is in no community")
    discs = Discs.of(Edges(source, target, weight), area, upper, lower)
    with seeded_igraph(seed):
        if not (before and before.covers_half):
            # Settled at once, as the next version would: so that one finds nothing to move.
            before = Before(_plane(_from_nothing(discs)), communities.levels)
        position = anchored(discs, before)
    return _plane(position)


def _plane(position: ComplexArray) -> FloatArray:
    return np.stack((position.real, position.imag), axis=1)


def _from_nothing(discs: Discs) -> ComplexArray:
    lower, upper_of = discs.lower, discs.upper_of
    inside = place_members(discs, np.ones(discs.n_lower, np.bool_))
    lower_centre, upper_radius = pack_lower(discs, np.ones(discs.n_upper, np.bool_))
    upper_centre = pack_upper(upper_radius, discs.upper_links)
    lower_centre = turned(lower_centre, upper_of, upper_centre, discs.lower_links)
    lower_centre += upper_centre[upper_of]
    placed = np.flatnonzero(lower >= 0)
    position = np.zeros(len(lower), np.complex128)
    position[placed] = turned(inside, lower, lower_centre, discs.edges)[placed] + lower_centre[lower[placed]]
    alone = np.flatnonzero(lower < 0)
    reach = float((np.abs(upper_centre) + upper_radius).max(initial=0.0))
    position[alone] = annulus(discs.area[alone], reach + 2.0 * discs.gap if reach else 0.0)
    return position


def user_positions(
    users: Int32Array,
    subreddits: Int32Array,
    activity: npt.NDArray[np.integer] | FloatArray,
    positions: FloatArray,
    keys: npt.NDArray[np.uint32],
) -> FloatArray:
    """Place each user at the mean of the places of its subreddits, weighted by activity there; linear.

    That mean is brought to a fine grid, so that users stay exactly where they are when a subreddit of theirs
    moves a little. Then every user is set off by a small way that follows from its key, so that users of the
    same subreddits do not coincide, and each stays where it is when others come and go. Users without a
    membership lie around the map.

    Shapes:
        users, subreddits, activity: (m,), a membership each, activity above 0.
        positions: (n_subreddits, 2), as of :func:`place`; keys: (n_users,), any bits, the same for a user
            in every version of the map; returns: (n_users, 2).

    Raises:
        ValueError: an activity is not positive.
    """
    if len(activity) and not bool((activity > 0).all()):
        raise ValueError("an activity is not positive")
    n_users = len(keys)
    where = positions[:, 0] + 1j * positions[:, 1]
    total = np.bincount(users, activity, n_users)
    place_of = summed(users, where[subreddits] * activity, n_users)
    member = total > 0
    place_of[member] /= total[member] * _USER_GRID
    place_of = (np.round(place_of.real) + 1j * np.round(place_of.imag)) * _USER_GRID
    angle, share = (keys & 0xFFFF) / 0x10000, (keys >> 16) / 0x10000
    place_of += polar(_USER_SPREAD * np.sqrt(share), 2.0 * np.pi * angle)
    outside = np.flatnonzero(~member)
    reach = float(np.abs(where).max(initial=0.0)) + 2.0
    place_of[outside] = annulus(np.full(len(outside), 0.1), reach)
    return np.stack((place_of.real, place_of.imag), axis=1)
