"""A filled database with a directory for its backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from restore_world import Place, fill

from harness import Clones, Redclust, settings_for
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target


@pytest.fixture(scope="session")
def filled(server: Target, bin_dir: Path | None) -> Iterator[str]:
    """The name of a filled database that those of the tests are clones of."""
    clones = Clones(server, [])
    target = clones.make()
    fill(Database(Connector(target, settings_for(bin_dir).database, "test")))
    yield clones.made[0]
    clones.drop()


@pytest.fixture
def place(
    clones: Clones, filled: str, redclust: Redclust, bin_dir: Path | None, tmp_path: Path
) -> Iterator[Place]:
    """A filled database of the session's server, which its command takes for an external one."""
    target = clones.make(template=filled)
    database = Database(Connector(target, settings_for(bin_dir).database, "test"))
    made = Place(database, redclust, tmp_path / "backups", tmp_path / "home")
    yield made
    made.clean()
