"""Discs and points in the plane that leave each other room. Places are complex numbers, without unit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ComplexArray = npt.NDArray[np.complex128]

#: Turning each next point by this angle spreads points evenly on any ring or disc (a sunflower's seeds).
_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))

_OFF_LINE = 0.05
_PULL_STEPS = 200
_PATIENCE_STEPS = 50
_SPIRAL = 32
_SPIRAL_BLOCK = 4096
_PULL = 0.03
_GROWTH = 0.002
_PUSH = 0.6
_NEAR_STEPS = 10
_NEAR_RATIO = 1.3
_TOLERANCE = 1e-3


def evened(drawn: ComplexArray, area: FloatArray) -> ComplexArray:
    """A drawing brought into a disc of all the areas: radii half-way between drawn and evenly dense.

    Half-way keeps the gaps between groups that were drawn (measured on nodes of a planted world: 0.52 of
    the strongest neighbours stay near instead of 0.47) and still crowds only 0.2 % of the nodes. No two are
    at one place: the radii differ. What is drawn at one place is spread like a sunflower's seeds.

    Shapes:
        drawn, area: (k,), area above 0; returns: (k,), around 0.
    """
    if len(drawn) < 2:
        return np.zeros(len(drawn), np.complex128)
    drawn = drawn - np.average(drawn, weights=area)
    radius = np.abs(drawn)
    order = np.argsort(radius, kind="stable")
    even = np.empty(len(drawn))
    even[order] = np.sqrt(np.cumsum(area[order]) - area[order] / 2.0)
    widest = float(radius.max())
    if widest == 0.0:
        return annulus(area, 0.0)
    radius *= float(even.max()) / widest
    return polar((radius + even) / 2.0, np.angle(drawn))


def separate(centre: ComplexArray, radius: FloatArray) -> ComplexArray:
    """Move discs until none overlaps, close together and as near to where they were drawn as that allows.

    The drawing is evened to twice the area of the discs; then overlapping discs push each other apart
    (the smaller moves more), while all are at first drawn to the middle and later let go outwards, which
    ends every jam. Each step looks at near pairs only, every tenth at all k^2/2; in memory 32 bytes a
    pair. Communities by modularity are at most about sqrt(2 m) for m edges, so that is linear in these.

    Shapes:
        centre, radius: (k,), radius above 0; returns: (k,), no two discs overlap.
    """
    k = len(centre)
    if k < 2:
        return np.zeros(k, np.complex128)
    area = np.square(radius)
    # Off any line: discs exactly in a row would push each other along it only.
    centre = evened(centre, 2.0 * area) + _OFF_LINE * annulus(2.0 * area, 0.0)
    centre, overlap = _pushed(centre, radius, pull_steps=_PULL_STEPS)
    return centre * max(1.0, overlap)


def apart(centre: ComplexArray, radius: FloatArray) -> ComplexArray:
    """Push discs apart where they overlap, and move no other; a thousandth of the radii may still overlap.

    Costs as :func:`separate`, most of the time one look.

    Shapes:
        centre, radius: (k,), no two centres at one place, radius above 0; returns: (k,).
    """
    if len(centre) < 2:
        return centre.copy()
    middle = centre.mean()
    return _pushed(centre - middle, radius, pull_steps=0)[0] + middle


def _pushed(centre: ComplexArray, radius: FloatArray, *, pull_steps: int) -> tuple[ComplexArray, float]:
    """Discs around 0 that hardly overlap, and by what factor the worst pair is too near."""
    area = np.square(radius)
    one, other = np.triu_indices(len(centre), 1)
    reach = radius[one] + radius[other]
    share = area[other] / (area[one] + area[other])
    near = np.empty(0, np.int64)
    step = 0
    while True:
        if step < pull_steps:
            centre = centre * (1.0 - _PULL * (1.0 - step / pull_steps))
        elif step > pull_steps + _PATIENCE_STEPS:
            centre = centre * (1.0 + _GROWTH)
        if step % _NEAR_STEPS == 0:
            distance = np.abs(centre[one] - centre[other])
            if step >= pull_steps and bool((distance > reach * (1.0 - _TOLERANCE)).all()):
                return centre, float((reach / distance).max())
            near = np.flatnonzero(distance < reach * _NEAR_RATIO)
        centre = centre + _push(centre, one[near], other[near], reach[near], share[near])
        step += 1


def free_places(taken: ComplexArray, wanted: ComplexArray, room: float) -> ComplexArray:
    """For each newcomer the first place on a spiral around the wanted one with ``room`` to all others.

    One after the other, each looking at all who are there: the cost is newcomers times nodes.

    Shapes:
        taken: (k,); wanted: (m,); returns: (m,). ``room`` is above 0.
    """
    there = np.concatenate((taken, np.empty(len(wanted), np.complex128)))
    for i, place in enumerate(wanted.tolist()):
        known = there[: len(taken) + i]
        tries = _SPIRAL
        while True:
            spiral = place + annulus(np.full(tries, room * room / 2.0), 0.0)
            nearest = np.full(tries, np.inf)
            for first in range(0, len(known), _SPIRAL_BLOCK):
                block = known[first : first + _SPIRAL_BLOCK]
                nearest = np.minimum(nearest, np.abs(spiral[:, None] - block[None, :]).min(axis=1))
            free = np.flatnonzero(nearest >= room)
            if len(free):
                there[len(taken) + i] = spiral[free[0]]
                break
            tries *= 4
    return there[len(taken) :]


def _push(
    centre: ComplexArray, one: IntArray, other: IntArray, reach: FloatArray, share: FloatArray
) -> ComplexArray:
    """The way each disc goes to leave those it overlaps."""
    away = centre[one] - centre[other]
    distance = np.abs(away)
    over = np.flatnonzero(distance < reach)
    one, other, away, distance = one[over], other[over], away[over], distance[over]
    push = away * (_PUSH * (reach[over] - distance) / np.maximum(distance, 1e-12))
    here, there = push * share[over], push * (1.0 - share[over])
    return summed(one, here, len(centre)) - summed(other, there, len(centre))


def summed(index: npt.NDArray[np.integer], values: ComplexArray, n: int) -> ComplexArray:
    """The sum of the values of each index in ``0 <= i < n``."""
    return np.bincount(index, values.real, n) + 1j * np.bincount(index, values.imag, n)


def enclosing_circle(centre: ComplexArray, radius: FloatArray) -> tuple[complex, float]:
    """Middle and radius of a circle around all discs, a few percent above the smallest there is.

    Source:
        Badoiu and Clarkson, Smaller core-sets for balls, SODA 2003.
    """
    if not len(centre):
        return 0j, 0.0
    middle = complex(np.average(centre, weights=np.square(radius)))
    best_middle, best = middle, np.inf
    for step in range(100):
        far = np.abs(centre - middle) + radius
        farthest = int(far.argmax())
        if far[farthest] < best:
            best_middle, best = middle, float(far[farthest])
        middle += (complex(centre[farthest]) - middle) / (step + 2)
    return best_middle, best


def ring(radius: FloatArray, inner: float) -> ComplexArray:
    """Discs side by side on circles around a disc of radius ``inner``, the largest innermost; linear."""
    centre = np.zeros(len(radius), np.complex128)
    order = np.argsort(-radius, kind="stable")
    at = 0
    while at < len(order):
        widest = float(radius[order[at]])
        if inner == 0.0:
            inner, at = widest, at + 1
            continue
        circle = inner + widest
        angle = 2.0 * np.arcsin(np.minimum(radius[order[at:]] / circle, 1.0))
        end = np.cumsum(angle)
        fitting = max(int(np.searchsorted(end, 2.0 * np.pi, side="right")), 1)
        slack = (2.0 * np.pi - end[fitting - 1]) / fitting
        middle = end[:fitting] - angle[:fitting] / 2.0 + slack * np.arange(fitting)
        centre[order[at : at + fitting]] = polar(np.full(fitting, circle), middle)
        inner, at = circle + widest, at + fitting
    return centre


def annulus(area: FloatArray, inner: float) -> ComplexArray:
    """Points around a disc of radius ``inner``, each with its area to itself, outwards in their order."""
    middle = np.cumsum(area) - area / 2.0
    return polar(np.sqrt(inner**2 + middle), _GOLDEN_ANGLE * np.arange(len(area), dtype=np.float64))


def polar(radius: FloatArray, angle: FloatArray) -> ComplexArray:
    """Places by their distance from 0 and angle."""
    return (radius * np.exp(1j * angle)).astype(np.complex128, copy=False)
