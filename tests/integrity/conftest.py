"""A corruption lab: one small world with its map, and a copy of it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import build

from harness import Clones, make_template, settings_for
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.db.target import Target

LAB = "redclust_lab"


@pytest.fixture(scope="session")
def lab_template(server: Target, bin_dir: Path | None) -> str:
    """A database with a world and its map, made once."""
    build(Database(Connector(make_template(server, LAB), settings_for(bin_dir).database, "test")))
    return LAB


@pytest.fixture
def database(clones: Clones, lab_template: str, bin_dir: Path | None) -> Database:
    """The lab, for this test alone: a world and its map, nothing wrong."""
    return Database(Connector(clones.make(template=lab_template), settings_for(bin_dir).database, "test"))


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect(bulk=True, autocommit=True) as connection:
        yield connection
