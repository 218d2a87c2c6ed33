"""Each defect injected for real: found by the checks that must find it, mended, and clean again."""

from __future__ import annotations

import pytest
from lab import DEFECTS, Defect, contents, found, inject, mend

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.report import Silent


def test_a_sound_database_is_clean(database: Database) -> None:
    report = integrity.check(database, Settings(), Silent(), deep=True)
    assert [one for one in report.checks if one.state != "clean" or one.stale] == []
    assert integrity.clean(database, Silent(), dry_run=True).cleaned == ()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.name)
def test_found_and_mended(database: Database, connection: Connection, defect: Defect) -> None:
    inject(connection, defect.inject)
    broken = contents(connection)
    assert set(found(database)) == set(defect.found)
    if defect.clean is not None:
        _clean_and_back(database, connection, frozenset(defect.clean), broken)
    for verb in defect.then:
        mend(database, verb)
    assert found(database) == {}


def _clean_and_back(
    database: Database, connection: Connection, types: frozenset[str], broken: dict[str, list[str]]
) -> None:
    """Clean does what its dry run said, can be taken back exactly, and does it again."""
    planned = integrity.clean(database, Silent(), types=types, dry_run=True)
    assert contents(connection) == broken
    first = integrity.clean(database, Silent(), types=types, batch_rows=7)
    assert first.ok
    assert {(one.reason, one.found_rows) for one in first.cleaned} == {
        (one.reason, one.found_rows) for one in planned.cleaned
    }
    for one in first.cleaned:
        assert one.removed_rows + one.changed_rows == one.found_rows
    listed = integrity.list_quarantine(database).runs
    assert sum(run.rows for run in listed) == sum(one.found_rows for one in first.cleaned)
    assert first.run_id is not None
    assert integrity.restore_quarantine(database, first.run_id, Silent()).ok
    assert contents(connection) == broken
    assert integrity.list_quarantine(database).runs == ()
    assert integrity.clean(database, Silent(), types=types).ok
