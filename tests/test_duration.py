"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from redclust import duration


@pytest.mark.parametrize(
    ("text", "length_s"),
    [
        ("90", 90),
        ("45s", 45),
        ("30m", 1800),
        ("26h", 93_600),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("0.5h", 1800),
    ],
)
def test_a_length_of_time(text: str, length_s: float) -> None:
    assert duration.seconds(text) == length_s
    assert duration.seconds(f" {text.upper()} ") == length_s


@pytest.mark.parametrize("text", ["", "m", "30 m", "-5m", "30m1h", "1h1h", "5w", "1.2.3h", "nan", "1e3"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        duration.seconds(text)


@pytest.mark.parametrize(
    ("length_s", "text"),
    [
        (0.44, "0.4s"),
        (59.4, "59.4s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (93_600, "1d2h"),
        (86_405, "1d"),
    ],
)
def test_a_length_in_words(length_s: float, text: str) -> None:
    assert duration.words(length_s) == text
