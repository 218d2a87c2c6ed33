from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from redclust.graph.agreement import adjusted_mutual_information, adjusted_rand

PARTITIONS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(-1, 6), min_size=n, max_size=n) for _ in range(2)))
)


@given(PARTITIONS)
def test_equals_scikit_learn(partitions):
    a, b = (np.array(labels) for labels in partitions)
    assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert adjusted_mutual_information(a, b) == pytest.approx(adjusted_mutual_info_score(a, b), abs=1e-9)


@pytest.mark.parametrize("n_parts", [3, 200, 5_000])
def test_equals_scikit_learn_on_many(n_parts):
    rng = np.random.default_rng(n_parts)
    a = rng.integers(0, n_parts, 10_000)
    b = np.where(rng.random(10_000) < 0.7, a, rng.integers(0, n_parts, 10_000))
    assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert adjusted_mutual_information(a, b) == pytest.approx(adjusted_mutual_info_score(a, b), abs=1e-9)


@pytest.mark.parametrize("same", [[], [4], [0, 0, 0], [0, 1, 2]])
def test_the_same_is_one(same):
    labels = np.array(same, np.int64)
    assert adjusted_rand(labels, labels) == adjusted_mutual_information(labels, labels) == 1.0


def test_no_table_of_all_pairs():
    # Both of 200,000 parts: the full table would take 320 GB.
    a = np.arange(400_000) // 2
    assert adjusted_rand(a, np.roll(a, 1)) == pytest.approx(0.0, abs=1e-4)
    assert adjusted_mutual_information(a, a[::-1]) == 1.0


def test_refuses_different_lengths():
    with pytest.raises(ValueError, match="of 1 and of 2"):
        adjusted_rand(np.array([0]), np.array([0, 1]))
