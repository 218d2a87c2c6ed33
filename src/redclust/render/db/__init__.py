"""``db`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.db import (
    ActivityReport,
    ConnectionsReport,
    IdleReport,
    LocksReport,
    MigrateReport,
    ServerReport,
    SettingsReport,
    SlowReport,
    StatusReport,
    UpgradeReport,
)
from redclust.render.db import incidents, server
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case ServerReport():
            server.server(report, out)
        case StatusReport():
            server.status(report, out)
        case MigrateReport():
            server.migrate(report, out)
        case UpgradeReport():
            server.upgrade(report, out)
        case ActivityReport():
            incidents.activity(report, out)
        case SlowReport():
            incidents.slow(report, out)
        case LocksReport():
            incidents.locks(report, out)
        case ConnectionsReport():
            incidents.connections(report, out)
        case IdleReport():
            incidents.idle(report, out)
        case SettingsReport():
            incidents.settings(report, out)
        case _:
            raise TypeError(type(report).__name__)
