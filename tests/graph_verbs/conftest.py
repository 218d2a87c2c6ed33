"""The small graph in a database of the test's own."""

from __future__ import annotations

import pytest
from small_graph import Graph, fill

from redclust.db.session import Database


@pytest.fixture
def graph(database: Database) -> Graph:
    return fill(database)
