"""Throw-away external servers, a home that has been used before, and other users of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import (
    IS_ROOT,
    OtherUser,
    dispose,
    own_server,
    settings_for,
    stopped,
    wait_until,
)
from redclust.db import schema
from redclust.db.connect import Connector


@pytest.fixture(scope="session")
def once_made_home(work_dir: Path, bin_dir: Path | None) -> Iterator[Path]:
    home = work_dir / "used"
    with own_server(home, bin_dir).in_use() as target:
        schema.migrate(Connector(target, settings_for(bin_dir).database, "test"))
    yield home
    dispose(home)


@pytest.fixture
def used_home(once_made_home: Path, bin_dir: Path | None) -> Iterator[Path]:
    """A home with a migrated database whose server is down; what tests do to it, it has to survive."""
    own = own_server(once_made_home, bin_dir)
    wait_until(lambda: stopped(once_made_home), "the server of the test before is down")
    yield once_made_home
    own.stop()


@pytest.fixture(scope="session")
def stranger() -> OtherUser:
    """Another user of the machine, without any right of ours."""
    return _other("nobody")


@pytest.fixture(scope="session")
def ordinary() -> OtherUser:
    """An ordinary user with a name."""
    return _other("daemon")


def _other(name: str) -> OtherUser:
    if not IS_ROOT:
        pytest.skip("only root can act as another user")
    found = OtherUser.find(name)
    if found is None:
        pytest.skip("other users cannot reach any Python that runs redclust")
    return found
