"""JSON as its standard has it, with one thing let through: halves of surrogate pairs in escapes.

Dumps hold them where Reddit cut a text in the middle of an emoji, mostly in keys that nobody reads.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse(line: bytes) -> Any:
    """The value of one line.

    Raises:
        ValueError: it is not JSON or not UTF-8, or nests too deep to be read.
    """
    try:
        return json.loads(line.decode(), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
