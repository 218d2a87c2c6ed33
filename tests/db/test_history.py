"""Runs are written down with their transaction and read back newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redclust.db import history
from redclust.db.session import Database


def test_the_newest_runs_of_a_verb_come_first(database: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=90)
    with database.connect() as connection:
        for number in range(3):
            history.record(connection, "vacuum", started_at=began, verdict="ok", figures={"number": number})
        history.record(connection, "drill", started_at=began, verdict="failed", figures={})
    with database.connect() as connection:
        found = history.newest(connection, "vacuum", limit=2)
        assert [run.figures["number"] for run in found] == [2, 1]
        assert found[0].started_at == began
        assert found[0].finished_at - began >= timedelta(seconds=90)
        assert history.newest(connection, "backup") == []


def test_a_run_is_not_recorded_when_its_transaction_is_taken_back(database: Database) -> None:
    with database.connect() as connection:
        with connection.transaction(force_rollback=True):
            history.record(
                connection, "vacuum", started_at=datetime.now(UTC), verdict="ok", figures={"rows": 1}
            )
        assert history.newest(connection, "vacuum") == []
