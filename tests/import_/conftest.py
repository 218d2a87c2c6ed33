"""The command, forked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import Redclust
from warm import Warm


@pytest.fixture
def redclust(redclust: Redclust, warm: Callable[[], Warm]) -> Redclust:
    """Calls are forks of one interpreter, but for those with ``fresh=True``."""
    return replace(redclust, warm=warm)
