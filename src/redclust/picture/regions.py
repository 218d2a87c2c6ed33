"""The soft ground behind each community: where its nodes are denser than anyone else's."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator

Points = npt.NDArray[np.float64]

#: A lone node's ground ends where its bell has fallen to this.
_EDGE = float(np.exp(-2.0))
_REACH_SIGMAS = 3.2
_RIM_PT = 3.0


class _Ground:
    """A grid over the page, and each community's density on its own part of it."""

    def __init__(self, points: Points, radii: npt.NDArray[np.float64], sigma_pt: float) -> None:
        self.points, self.sigma = points, sigma_pt
        self.cell = max(2.0, sigma_pt / 3.0)
        reach = max(_REACH_SIGMAS * sigma_pt, float(radii.max()) + _RIM_PT + sigma_pt)
        self.reach = int(np.ceil(reach / self.cell)) + 1
        self.origin = points.min(axis=0) - (self.reach + 2) * self.cell
        extent = points.max(axis=0) - self.origin
        self.shape = tuple((np.ceil(extent / self.cell).astype(np.int64) + self.reach + 3).tolist())
        steps = np.arange(-self.reach, self.reach + 1) * self.cell
        self.kernel = np.exp(-0.5 * (steps / sigma_pt) ** 2)
        # A big circle pushes the edge outwards until it lies inside its ground.
        self.mass = np.exp(0.5 * (np.maximum(radii + _RIM_PT, 2.0 * sigma_pt) / sigma_pt) ** 2 - 2.0)

    def density(self, members: npt.NDArray[np.int64]) -> tuple[tuple[slice, slice], Points]:
        at = np.rint((self.points[members] - self.origin) / self.cell).astype(np.int64)
        low = at.min(axis=0) - self.reach
        shape = at.max(axis=0) + self.reach + 1 - low
        field = np.zeros(shape.tolist())
        np.add.at(field, tuple((at - low).T), self.mass[members])
        for axis in (0, 1):
            field = _blur(field, self.kernel, axis)
        box = (slice(int(low[0]), int(low[0] + shape[0])), slice(int(low[1]), int(low[1] + shape[1])))
        return box, field


def _blur(field: Points, kernel: Points, axis: int) -> Points:
    """``field`` smeared along one axis; what would fall outside is lost."""
    reach = len(kernel) // 2
    lines = np.moveaxis(field, axis, 0)
    out = np.zeros_like(lines)
    for shift, share in zip(range(-reach, reach + 1), kernel.tolist(), strict=True):
        a, b = max(0, shift), min(len(lines), len(lines) + shift)
        out[a:b] += share * lines[a - shift : b - shift]
    return np.moveaxis(out, 0, axis)


def outline(
    points: Points, radii: npt.NDArray[np.float64], members: list[npt.NDArray[np.int64]], sigma_pt: float
) -> list[list[Points]]:
    """For each community the rings around its ground; no two grounds overlap.

    Shapes:
        points: (n, 2) in points; radii: (n,) of the circles, which are kept inside their ground;
        members: indices of the nodes of each community, none empty.
        returns: for each community its closed rings, (k, 2) each, holes the other way around.

    A grid of ``sigma_pt / 3`` points; O(cells under each community, twice).
    """
    if not members:
        return []
    ground = _Ground(points, radii, sigma_pt)
    best, second = np.full(ground.shape, _EDGE), np.full(ground.shape, _EDGE)
    for group in members:
        box, field = ground.density(group)
        second[box] = np.maximum(second[box], np.minimum(best[box], field))
        best[box] = np.maximum(best[box], field)
    rings: list[list[Points]] = []
    for group in members:
        box, field = ground.density(group)
        others = np.where(field >= best[box], second[box], best[box])
        # In logarithms a bell is a parabola: straight cuts between cells then fall in the right place.
        height = np.log(np.maximum(field, 1e-12)) - np.log(others)
        # LineType.Separate: a list of arrays, which the signature cannot say.
        found = cast(list[Points], contour_generator(z=height.T, line_type=LineType.Separate).lines(0.0))
        corner = ground.origin + np.array([box[0].start, box[1].start]) * ground.cell
        rings.append([corner + ground.cell * ring for ring in found if abs(_area(ring)) > 4.0])
    return rings


def _area(ring: Points) -> float:
    """The signed area of a closed ring, in its own unit squared."""
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(x[:-1] @ y[1:] - x[1:] @ y[:-1])
