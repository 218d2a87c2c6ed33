"""Where names go: greedily, the most important first, never on top of one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

#: Room kept free around each label.
GAP_PT = 1.5

#: Directions in which a name may stand beside its circle, the best first.
_AROUND = np.array(
    [[1, 0], [0, 1], [0, -1], [-1, 0], [0.75, 0.75], [0.75, -0.75], [-0.75, 0.75], [-0.75, -0.75]],
    dtype=np.float64,
)


class Board:
    """The page while labels are laid on it.

    Shapes:
        page: x0, y0, x1, y1: no label crosses it.
        centres, radii: (n, 2) and (n,) of the circles that labels should not hide.
    """

    def __init__(self, page: tuple[float, float, float, float], centres: Points, radii: Points) -> None:
        self.page = page
        self._centres, self._radii = centres, radii
        self._boxes = np.empty((0, 4))

    def occupy(self, box: Points) -> None:
        """Let no later label touch ``box`` (x0, y0, x1, y1)."""
        self._boxes = np.vstack([self._boxes, box])

    def place(
        self, middles: Points, width: float, height: float, extra: Points, *, hidden_max: float
    ) -> Points | None:
        """Take the best free one of some places for a label, and occupy it.

        The best hides the least: the sum of what it covers of the circles, in square points, and of the
        ``extra`` cost of each place. None when no place is free, or hides less than ``hidden_max``.

        Shapes:
            middles: (k, 2); extra: (k,); returns (4,) or None.
        """
        half = np.array([width, height]) / 2.0
        boxes = np.hstack([middles - half, middles + half])
        x0, y0, x1, y1 = self.page
        inside = (boxes[:, 0] >= x0) & (boxes[:, 1] >= y0) & (boxes[:, 2] <= x1) & (boxes[:, 3] <= y1)
        free = inside & ~self._touching(boxes)
        if not free.any():
            return None
        boxes, cost = boxes[free], extra[free]
        hidden = self._hidden(boxes)
        best = int((hidden + cost).argmin())
        if hidden[best] > hidden_max:
            return None
        self.occupy(boxes[best])
        return boxes[best]

    def _touching(self, boxes: Points) -> npt.NDArray[np.bool_]:
        a, b = boxes[:, None, :], self._boxes[None, :, :]
        apart = (
            (a[..., 0] > b[..., 2] + GAP_PT)
            | (a[..., 2] < b[..., 0] - GAP_PT)
            | (a[..., 1] > b[..., 3] + GAP_PT)
            | (a[..., 3] < b[..., 1] - GAP_PT)
        )
        touching: npt.NDArray[np.bool_] = np.any(~apart, axis=1)
        return touching

    def _hidden(self, boxes: Points) -> Points:
        """How much of the circles each box covers, each circle taken as its square."""
        low, high = boxes.min(axis=0)[:2], boxes.max(axis=0)[2:]
        near = (
            (self._centres + self._radii[:, None] > low) & (self._centres - self._radii[:, None] < high)
        ).all(axis=1)
        centres, radii = self._centres[near], self._radii[near] * 0.886  # a square of the same area
        covered = np.ones((len(boxes), len(centres)))
        for axis in (0, 1):
            ends = np.minimum(boxes[:, None, axis + 2], centres[None, :, axis] + radii)
            starts = np.maximum(boxes[:, None, axis], centres[None, :, axis] - radii)
            covered *= np.maximum(ends - starts, 0.0)
        return covered.sum(axis=1)


def around(centre: Points, radius: float, width: float, height: float) -> tuple[Points, Points]:
    """Places for a name beside a circle, and a small cost each, so that the first of equals wins."""
    reach = np.array([width, height]) / 2.0 + radius + 1.0
    corner = np.array([width, height]) / 2.0 + 0.72 * radius
    offsets = np.where(np.abs(_AROUND) == 0.75, np.sign(_AROUND) * corner, _AROUND * reach)
    return centre + offsets, 0.4 * np.arange(len(_AROUND), dtype=np.float64)


def within(members: Points, width: float, height: float) -> tuple[Points, Points]:
    """Places for a community's name: on a grid over its nodes, and just above and below them.

    The cost grows with the way from their middle, and is higher outside.
    """
    middle = _quantile(members, 0.5)
    low, high = _quantile(members, 0.03), _quantile(members, 0.97)
    # 9 by 13 places over them, then 5 above and 5 below.
    x, y = (part.ravel() for part in np.mgrid[0:1:9j, 0:1:13j])
    over = low + (high - low) * np.stack([x, y], axis=1)
    across = low + (high - low) * np.stack([np.mgrid[0:1:5j], np.zeros(5)], axis=1)
    above = across + np.array([0.0, high[1] - low[1] + height])
    below = across - np.array([0.0, height])
    places = np.vstack([middle, over, above, below])
    way = (places - middle) / ((high - low) / 2.0 + height)
    cost = (0.35 * width * height) * (way**2).sum(axis=1)
    cost[-10:] += 0.1 * width * height
    return places, cost


def _quantile(points: Points, share: float) -> Points:
    """Of each coordinate by itself: a stray node does not move it."""
    return np.asarray(np.quantile(points, share, axis=0), dtype=np.float64)
