"""The page: its shape, where each node stands on it, and how big its circle is. All in points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

MARGIN_PT = 34.0
AREA_PT2 = 1_200.0 * 880.0
ASPECT_RANGE = (1.1, 1.6)
RADIUS_MAX_PT = 21.0
#: Of the page, under circles.
INKED_RATIO = 0.075
#: Of the fullest cell, under circles: more, and they hide each other.
CROWDED_RATIO = 0.75
_CELL_PT = 48.0


@dataclass(frozen=True, slots=True)
class Page:
    """Shapes: points (n, 2), from the lower left corner; radii (n,)."""

    width: float
    height: float
    points: Points
    radii: Points


def lay_out(
    positions: Points, sizes: npt.NDArray[np.float64] | npt.NDArray[np.int64], header_pt: float
) -> Page:
    """A page shaped after the map, as near as ``ASPECT_RANGE`` lets it, ``header_pt`` free at its top."""
    low = positions.min(axis=0) if len(positions) else np.zeros(2)
    span = (positions.max(axis=0) if len(positions) else np.zeros(2)) - low
    aspect = 1.0
    if span.any():
        aspect = float(span[0] / span[1]) if span[1] > 0 else ASPECT_RANGE[1]
    aspect = min(max(aspect, ASPECT_RANGE[0]), ASPECT_RANGE[1])
    height = round(float(np.sqrt(AREA_PT2 / aspect)))
    width = round(aspect * height)
    inset = MARGIN_PT + RADIUS_MAX_PT
    room = np.array([width - 2 * inset, height - 2 * inset - header_pt])
    scale = min((float(r / s) for r, s in zip(room, span, strict=True) if s > 0), default=1.0)
    middle = np.array([width / 2.0, (height - header_pt) / 2.0])
    points = middle + (positions - low - span / 2.0) * scale
    return Page(float(width), float(height), points, _radii(np.asarray(sizes, dtype=np.float64), points))


def _radii(sizes: Points, points: Points) -> Points:
    """A circle's area follows the size, within limits that keep it visible; all are smaller in a crowd."""
    if not len(sizes):
        return sizes
    smallest = float(np.clip(2.0 * np.sqrt(400.0 / len(sizes)), 0.55, 4.0))
    total = max(float(sizes.sum()), 1e-300)
    ideal = np.minimum(np.sqrt(INKED_RATIO * AREA_PT2 / np.pi * (sizes / total)), RADIUS_MAX_PT)
    cells = np.floor(points / _CELL_PT).astype(np.int64) @ np.array([1, 100_000])
    _, cell = np.unique(cells, return_inverse=True)
    fullest = float(np.bincount(cell, np.pi * ideal**2).max()) / _CELL_PT**2
    crowd = max(float(np.sqrt(CROWDED_RATIO / max(fullest, CROWDED_RATIO))), 0.5)
    return np.maximum(ideal * crowd, smallest)
