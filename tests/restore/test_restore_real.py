"""The round trip on real dumps, with the map computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from restore_world import Place, damage, hashes

from harness import Redclust
from redclust.db.session import Database


@pytest.mark.soak
def test_real_data_back_and_back_again(
    database: Database, redclust: Redclust, shared_data: Path, tmp_path: Path
) -> None:
    place = Place(database, redclust, tmp_path / "backups", tmp_path / "home")
    files = ("RC_2021-04_small.zst", "RS_2013_top_100subs.zst", "user_subreddit_edges.csv.zst")
    place.run("import", *(str(shared_data / file) for file in files))
    place.run("precalc")
    name = place.backup()
    before = hashes(place.target)
    assert sum(rows for rows, _ in before.values()) > 1_000_000
    place.run("backup", "drill", name)
    damage(database)
    damaged = hashes(place.target)
    report = place.report("restore", "latest", "--swap", "--confirm", place.name)
    assert report["rows"] > 1_000_000
    assert hashes(place.target) == before
    place.run("restore", "--undo", "--yes")
    assert hashes(place.target) == damaged
    # With every form of a backup, in parallel.
    place.run("restore", "--undo", "--yes")
    for options in ({"jobs": 2}, {"dump_format": "plain"}):
        other = place.backup(**options)
        into = f"{place.name}_{other[-6:]}"
        place.restore(other, into=into, jobs=2)
        assert hashes(place.target.on(into)) == before
    place.clean()
