"""Colours that colour-blind readers can tell apart, and which community gets which.

Source:
    Paul Tol, Colour Schemes (SRON/EPS/TN/09-002), the scheme "muted".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Red, green, blue in 0..1, one row a colour.
Colours = npt.NDArray[np.float64]

_MUTED = ("CC6677", "332288", "DDCC77", "117733", "88CCEE", "882255", "44AA99", "999933", "AA4499")
WHITE: Colours = np.ones(3)
_BLACK: Colours = np.zeros(3)


def _hex(code: str) -> Colours:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float64) / 255.0


GREY: Colours = _hex("9A9A9A")
INK: Colours = _hex("1C1C1C")
QUIET_INK: Colours = _hex("5F5F5F")

_HUES: Colours = np.array([_hex(code) for code in _MUTED])
#: The nine hues, then lighter, then darker ones of them.
PALETTE: Colours = np.vstack([_HUES, 0.62 * _HUES + 0.38 * WHITE, 0.68 * _HUES + 0.32 * _BLACK])


def mix(colour: Colours, other: Colours, share: float) -> Colours:
    """``colour`` with ``share`` (0..1) of ``other`` in it."""
    return (1.0 - share) * colour + share * other


def tint(colour: Colours, share: float) -> Colours:
    """``colour`` with ``share`` (0..1) of white."""
    return mix(colour, WHITE, share)


def readable(colour: Colours) -> Colours:
    """``colour`` darkened until it stands out from white at 5.5 to 1.

    Source:
        WCAG 2.2, relative luminance and contrast ratio.
    """
    for share in np.linspace(0.0, 1.0, 41):
        dark = mix(colour, _BLACK, float(share))
        linear = np.where(dark <= 0.04045, dark / 12.92, ((dark + 0.055) / 1.055) ** 2.4)
        if 1.05 / (float(linear @ np.array([0.2126, 0.7152, 0.0722])) + 0.05) >= 5.5:
            return dark
    return _BLACK


def colour_communities(centres: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """An index into `PALETTE` for each community, equal ones far apart.

    In their order (the biggest first, say) each takes a colour that none has yet, or else the one whose
    nearest bearer is farthest away. O(k^2) for k communities.

    Shapes:
        centres: (k, 2); returns (k,).
    """
    chosen = np.arange(len(centres)) % len(PALETTE)
    for community in range(len(PALETTE), len(centres)):
        gaps = np.hypot(*(centres[:community] - centres[community]).T)
        nearest = np.full(len(PALETTE), np.inf)
        np.minimum.at(nearest, chosen[:community], gaps)
        chosen[community] = int(nearest.argmax())
    return chosen
