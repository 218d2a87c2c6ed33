"""A filled database with a directory for its backups; a home with an embedded server of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from restore_world import Place, fill

from harness import Redclust
from redclust.db.session import Database
from warm import Warm


@pytest.fixture
def redclust(redclust: Redclust, warm: Callable[[], Warm]) -> Redclust:
    """Calls are forks of one interpreter, but for those with ``fresh=True``."""
    return replace(redclust, warm=warm)


@pytest.fixture
def place(database: Database, redclust: Redclust, tmp_path: Path) -> Iterator[Place]:
    """A filled database of the session's server, which its command takes for an external one."""
    fill(database)
    made = Place(database, redclust, tmp_path / "backups", tmp_path / "home")
    yield made
    made.clean()
