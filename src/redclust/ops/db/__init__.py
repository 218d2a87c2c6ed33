"""``db``: the database itself."""

from redclust.ops.db.activity import ActivityReport, Session, Waiting, activity
from redclust.ops.db.connections import ConnectionsReport, IdleReport, connections, terminate_idle
from redclust.ops.db.log import follow, log
from redclust.ops.db.log import path_of as log_path
from redclust.ops.db.schema import MigrateReport, migrate
from redclust.ops.db.server import (
    ServerReport,
    StatusReport,
    psql,
    restart,
    start,
    status,
    stop,
    url,
)
from redclust.ops.db.settings import Setting, SettingsReport, settings
from redclust.ops.db.slow import SlowReport, enable_log, enable_statements, slow
from redclust.ops.db.upgrade import UpgradeReport, upgrade
from redclust.ops.db.waits import Lock, LocksReport, locks

__all__ = [
    "ActivityReport",
    "ConnectionsReport",
    "IdleReport",
    "Lock",
    "LocksReport",
    "MigrateReport",
    "ServerReport",
    "Session",
    "Setting",
    "SettingsReport",
    "SlowReport",
    "StatusReport",
    "UpgradeReport",
    "Waiting",
    "activity",
    "connections",
    "enable_log",
    "enable_statements",
    "follow",
    "locks",
    "log",
    "log_path",
    "migrate",
    "psql",
    "restart",
    "settings",
    "slow",
    "start",
    "status",
    "stop",
    "terminate_idle",
    "upgrade",
    "url",
]
