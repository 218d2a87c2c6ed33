"""What must never reach a table or a log, taken out of errors by its shape."""

from __future__ import annotations

import re

_HIDDEN = "****"
#: The words before a secret stay, the secret goes.
_SHAPES = (
    # In an address: scheme://user:password@host.
    re.compile(r"(\w+://[^\s/:@]*:)[^\s/@]+(?=@)"),
    # In a header.
    re.compile(r"((?:authorization\W{1,4})?\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    # As an option, a form's field, JSON or Python: client_secret=…, "refresh_token": "…".
    re.compile(
        r"""(\b\w*(?:secret|password|passwd|token|api_?key)\w*["']?\s*[=:]\s*["']?)[^\s"',;&)}]+""",
        re.IGNORECASE,
    ),
)


def without_secrets(text: str) -> str:
    """``text`` with everything that has the shape of a credential replaced by asterisks."""
    for shape in _SHAPES:
        text = shape.sub(rf"\1{_HIDDEN}", text)
    return text
