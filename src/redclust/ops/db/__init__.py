"""``db``: the database itself."""

from redclust.ops.db.schema import MigrateReport, migrate
from redclust.ops.db.server import (
    ServerReport,
    StatusReport,
    log,
    psql,
    restart,
    start,
    status,
    stop,
    url,
)
from redclust.ops.db.upgrade import UpgradeReport, upgrade

__all__ = [
    "MigrateReport",
    "ServerReport",
    "StatusReport",
    "UpgradeReport",
    "log",
    "migrate",
    "psql",
    "restart",
    "start",
    "status",
    "stop",
    "upgrade",
    "url",
]
