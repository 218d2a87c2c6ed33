"""What a picture is made of, free of any drawing library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["title", "caption", "community", "country", "node"]


@dataclass(frozen=True, slots=True)
class MapPicture:
    """A map to be drawn.

    Shapes:
        positions: (n, 2) float64, any unit, y upwards; x and y are drawn at one scale.
        sizes: (n,) users of each subreddit, not negative; a circle's area stands for it.
        names: n texts, drawn as they are (no markup).
        community: (n,) int32, an index into ``community_names``, or -1 for none.
        country: (n,) int32, any number for the part of its community a node is in, -1 for none; or None.
        country_names: of each number in ``country``: its leading members, the first one first.
        source, target: (m,) int32, indices of nodes; weight: (m,) float64, heavier ones are drawn first
            should there be too many.

    Raises:
        ValueError: the shapes do not fit each other, an index is out of range, a number is not finite,
            or a size is negative.
    """

    positions: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64] | npt.NDArray[np.int64]
    names: list[str]
    community: npt.NDArray[np.int32]
    community_names: list[str]
    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float64]
    country: npt.NDArray[np.int32] | None = None
    country_names: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    title: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        n = len(self.names)
        if self.positions.shape != (n, 2) or self.sizes.shape != (n,) or self.community.shape != (n,):
            raise ValueError(f"positions, sizes and community do not fit {n} names")
        if self.country is not None and self.country.shape != (n,):
            raise ValueError(f"country does not fit {n} names")
        if not self.source.shape == self.target.shape == self.weight.shape == (len(self.source),):
            raise ValueError("source, target and weight differ in length")
        if not (np.isfinite(self.positions).all() and np.isfinite(self.sizes).all()):
            raise ValueError("a position or size is not finite")
        if (self.sizes < 0).any() or not np.isfinite(self.weight).all():
            raise ValueError("a size is negative or a weight is not finite")
        for what, index, low, high in (
            ("community", self.community, -1, len(self.community_names)),
            ("source", self.source, 0, n),
            ("target", self.target, 0, n),
        ):
            if index.size and not low <= int(index.min()) <= int(index.max()) < high:
                raise ValueError(f"{what} has an index outside {low}..{high - 1}")


@dataclass(frozen=True, slots=True)
class LabelBox:
    """Where a text was drawn: the bounds of its ink and halo, in points from the lower left corner."""

    text: str
    kind: Kind
    x0: float
    y0: float
    x1: float
    y1: float
