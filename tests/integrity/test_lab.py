"""Each defect injected for real: found by the checks that must find it, mended, and clean again."""

from __future__ import annotations

import pytest
from lab import DEFECTS, Defect, found, inject

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.report import Silent


def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table as text, sorted."""
    tables = [
        row[0]
        for row in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relname NOT LIKE 'quarantine%%' ORDER BY 1",
            {},
        )
    ]
    return {
        table: sorted(str(row[0]) for row in connection.execute(f"SELECT t::text FROM {table} AS t".encode()))
        for table in tables
    }


def test_a_sound_database_is_clean(database: Database) -> None:
    report = integrity.check(database, Silent())
    assert [one for one in report.checks if one.state != "clean"] == []
    assert integrity.clean(database, Silent(), dry_run=True).cleaned == ()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.name)
def test_found_mended_restored(database: Database, connection: Connection, defect: Defect) -> None:
    inject(connection, defect.inject)
    broken = contents(connection)
    assert set(found(database)) == set(defect.found)
    planned = integrity.clean(database, Silent(), types=frozenset(defect.mend) - {"all"}, dry_run=True)
    assert contents(connection) == broken
    report = integrity.clean(database, Silent(), types=frozenset(defect.mend) - {"all"}, batch_rows=7)
    assert report.ok
    assert report.run_id is not None
    assert {(one.reason, one.found_rows) for one in report.cleaned} == {
        (one.reason, one.found_rows) for one in planned.cleaned
    }
    for one in report.cleaned:
        assert one.removed_rows + one.changed_rows == one.found_rows
    assert found(database) == {}
    listed = integrity.list_quarantine(database).runs
    assert sum(run.rows for run in listed) == sum(one.found_rows for one in report.cleaned)
    back = integrity.restore_quarantine(database, report.run_id, Silent())
    assert back.ok
    assert contents(connection) == broken
    assert integrity.list_quarantine(database).runs == ()
