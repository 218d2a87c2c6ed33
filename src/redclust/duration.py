"""Lengths of time as people write them: ``30m``, ``26h``, ``1h30m``, ``90`` (seconds)."""

from __future__ import annotations

import re

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds(text: str) -> float:
    """The length in seconds; a number without a unit is seconds.

    Raises:
        ValueError: it is not such a text, or a unit stands twice or out of order.
    """
    told = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", told):
        return float(told)
    parts = _PARTS.findall(told)
    units = [unit for _, unit in parts]
    in_order = units == sorted(set(units), key=list(_UNITS_S).index)
    if not parts or "".join(n + unit for n, unit in parts) != told or not in_order:
        raise ValueError(f"{text!r} is not a length of time such as 45s, 30m, 26h, 1h30m or 7d")
    return sum(float(n) * _UNITS_S[unit] for n, unit in parts)


def words(length_s: float) -> str:
    """The two greatest units of a length: ``1h30m``; under a minute with tenths: ``4.2s``."""
    if length_s < 60:
        return f"{length_s:.1f}s"
    rest = round(length_s)
    found: list[str] = []
    for unit, unit_s in _UNITS_S.items():
        count, rest = divmod(rest, unit_s)
        if count or found:
            found.append(f"{count}{unit}")
    return "".join(part for part in found[:2] if not part.startswith("0"))
