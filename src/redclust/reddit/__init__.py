"""Reddit's API through PRAW: one request a call, one budget for all crawlers, every failure with a class."""

import sys
from typing import Any

# PRAW does without its update checker where there is none. It is never asked here, and would bring an HTTP
# client of its own: half of the time that a crawler takes to start.
_modules: dict[str, Any] = sys.modules  # pyright: ignore[reportAssignmentType]
_modules.setdefault("update_checker", None)
