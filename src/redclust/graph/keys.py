"""Pairs of ids as numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


def key(high: npt.NDArray[np.integer], low: npt.NDArray[np.integer]) -> Int64Array:
    """Two ids as one number that sorts as they do."""
    return (high.astype(np.int64) << 32) | low.astype(np.int64)


def halves(keys: Int64Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The ids of keys."""
    return (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)
