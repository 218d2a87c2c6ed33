"""Settings: what there is (``sections``), what the environment calls it (``names``), who says (``load``)."""

from redclust.config.benchmark import BenchmarkSettings
from redclust.config.doctor import DoctorSettings
from redclust.config.load import Loaded, default_file, default_home, load
from redclust.config.log import LogSettings
from redclust.config.maintenance import MaintenanceSettings
from redclust.config.names import RUNBOOK_NAMES, UNREAD_NAMES
from redclust.config.sections import (
    USER_AGENT_EXAMPLE,
    BackupSettings,
    CrawlSettings,
    DatabaseSettings,
    ImportSettings,
    PrecalcSettings,
    QueueSettings,
    RedditSettings,
    Settings,
    example,
    sections,
)

__all__ = [
    "RUNBOOK_NAMES",
    "UNREAD_NAMES",
    "USER_AGENT_EXAMPLE",
    "BackupSettings",
    "BenchmarkSettings",
    "CrawlSettings",
    "DatabaseSettings",
    "DoctorSettings",
    "ImportSettings",
    "Loaded",
    "LogSettings",
    "MaintenanceSettings",
    "PrecalcSettings",
    "QueueSettings",
    "RedditSettings",
    "Settings",
    "default_file",
    "default_home",
    "example",
    "load",
    "sections",
]
