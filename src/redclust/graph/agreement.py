"""How well two partitions of the same things agree, beyond what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Contingency:
    """How many things each pair of parts has in common; only pairs that have any."""

    row: Int64Array
    column: Int64Array
    count: Int64Array
    row_size: Int64Array
    column_size: Int64Array
    total: int


def adjusted_rand(a: IntArray, b: IntArray) -> float:
    """Adjusted Rand index: 1 for the same partition, about 0 for two at random, can be below 0.

    Shapes:
        a, b: (n,), the part each thing is in, any integers. Memory grows with n, not with the table of all
            pairs of parts.

    Raises:
        ValueError: the arrays differ in length.

    Source:
        Hubert and Arabie, Comparing partitions, Journal of Classification 2 (1985).
    """
    table = _contingency(a, b)
    both, in_a, in_b = (_pairs(sizes) for sizes in (table.count, table.row_size, table.column_size))
    every = table.total * (table.total - 1) // 2
    if in_a == in_b == both:
        return 1.0
    # (both - expected) / (mean - expected), expected = in_a * in_b / every; whole numbers until the end.
    return 2 * (both * every - in_a * in_b) / ((in_a + in_b) * every - 2 * in_a * in_b)


def adjusted_mutual_information(a: IntArray, b: IntArray) -> float:
    """Adjusted mutual information, by the mean of both entropies: 1 for the same, about 0 at random.

    Shapes:
        a, b: (n,), as for :func:`adjusted_rand`. Exact; memory linear in n; time at most n^1.5, and for
            partitions of few different part sizes near n.

    Raises:
        ValueError: the arrays differ in length.

    Source:
        Vinh, Epps and Bailey, JMLR 11 (2010), equation 24a for the expectation.
    """
    table = _contingency(a, b)
    if len(table.row_size) == len(table.column_size) == len(table.count) or table.total == 0:
        return 1.0
    if len(table.row_size) == 1 or len(table.column_size) == 1:
        return 0.0
    share = table.count / table.total
    chance = table.row_size[table.row] * (table.column_size[table.column] / table.total**2)
    mutual = float((share * np.log(share / chance)).sum())
    expected = _expected_mutual_information(table)
    bound = (_entropy(table.row_size, table.total) + _entropy(table.column_size, table.total)) / 2.0
    return (mutual - expected) / (bound - expected)


def _contingency(a: IntArray, b: IntArray) -> _Contingency:
    if a.shape != b.shape:
        raise ValueError(f"partitions of {len(a)} and of {len(b)} things")
    row_label, row = np.unique(a, return_inverse=True)
    column_label, column = np.unique(b, return_inverse=True)
    pair, count = np.unique(row * len(column_label) + column, return_counts=True)
    width = max(len(column_label), 1)
    return _Contingency(
        pair // width,
        pair % width,
        count,
        np.bincount(row, minlength=len(row_label)),
        np.bincount(column, minlength=len(column_label)),
        len(a),
    )


def _pairs(sizes: Int64Array) -> int:
    """Pairs of things that are in one part."""
    return int((sizes * (sizes - 1) // 2).sum())


def _entropy(sizes: Int64Array, total: int) -> float:
    share = sizes / total
    return -float((share * np.log(share)).sum())


def _expected_mutual_information(table: _Contingency) -> float:
    """The mean over all pairs of partitions with these part sizes; parts of one size are reckoned once.

    Sizes that differ add up to n at most, so there are at most sqrt(2n) of them, and what one of them meets
    in all of the others fits in n numbers.
    """
    n = table.total
    row_sizes, row_times = np.unique(table.row_size, return_counts=True)
    column_sizes, column_times = np.unique(table.column_size, return_counts=True)
    total = 0.0
    for size, times in zip(row_sizes.tolist(), row_times.tolist(), strict=True):
        lowest = np.maximum(1, size + column_sizes - n)
        n_counts = np.minimum(size, column_sizes) - lowest + 1
        which = np.repeat(np.arange(len(column_sizes)), n_counts)
        count = np.arange(len(which)) - np.repeat(np.cumsum(n_counts) - n_counts - lowest, n_counts)
        other = column_sizes[which]
        # The hypergeometric chance of so many in common, by logarithms of factorials.
        rest = n - size - other + count
        chance = _log_factorial(np.array([size, n - size])).sum() - _log_factorial(np.array([n])).sum()
        chance = chance + _log_factorial(other) + _log_factorial(n - other)
        for part in (count, size - count, other - count, rest):
            chance -= _log_factorial(part)
        gain = count / n * np.log(count * (n / size) / other)
        total += times * float((column_times[which] * gain * np.exp(chance)).sum())
    return total


_LOG_FACTORIAL_OF_SMALL = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1.0, 16.0)))))


def _log_factorial(values: Int64Array) -> FloatArray:
    """ln(v!), by Stirling's series; below 16, where that is not exact to the last digits, from a table."""
    x = np.maximum(values, 1).astype(np.float64)
    series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x**3) + 1.0 / (1260.0 * x**5) - 1.0 / (1680.0 * x**7)
    large = (x + 0.5) * np.log(x) - x + 0.5 * np.log(2.0 * np.pi) + series
    return np.where(values < 16, _LOG_FACTORIAL_OF_SMALL[np.minimum(values, 15)], large)
