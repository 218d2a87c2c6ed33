"""``db migrate``: the schema and its numbered steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from redclust.db import schema
from redclust.db.connect import Connector
from redclust.report import Report


@dataclass(frozen=True, slots=True)
class Step:
    version: int
    name: str
    state: str
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class MigrateReport(Report):
    """The schema's steps; ``applied_now`` is how many this run applied."""

    verb: ClassVar[str] = "db.migrate"
    state: str
    applied_now: int
    steps: tuple[Step, ...]


def migrate(connector: Connector, *, apply: bool, wait_s: float) -> MigrateReport:
    """Apply what is pending, or with ``apply=False`` only say it.

    Raises:
        Locked: a backup or another migration holds the database for longer than ``wait_s``.
        SchemaMismatch: another system's tables, a newer schema, or an edited migration.
    """
    done = schema.migrate(connector, wait_s=wait_s) if apply else ()
    with connector.connect(autocommit=True) as connection:
        found = schema.inspect(connection)
        if found.state in (schema.State.FOREIGN, schema.State.AHEAD):
            schema.require(connection, connector.target.describe())
    steps = [Step(a.version, a.name, "applied", a.applied_at) for a in found.applied]
    steps += [Step(m.version, m.name, "pending", None) for m in found.pending]
    return MigrateReport(found.state.value, len(done), tuple(steps))
