"""igraph without what it draws with: with matplotlib installed its import takes ten times as long."""

from __future__ import annotations

import sys
from typing import Any, cast

# A module that is None in there cannot be imported, which igraph takes as one that is not installed.
_modules = cast(dict[str, Any], sys.modules)
_hidden = "matplotlib" not in _modules
if _hidden:
    _modules["matplotlib"] = None
try:
    import igraph
finally:
    if _hidden:
        del _modules["matplotlib"]

__all__ = ["igraph"]
