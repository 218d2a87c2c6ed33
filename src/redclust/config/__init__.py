"""Settings: what there is (``sections``), what the environment calls it (``names``), who says (``load``)."""

from redclust.config.load import Loaded, default_file, default_home, load
from redclust.config.names import RUNBOOK_NAMES, UNREAD_NAMES
from redclust.config.sections import (
    DatabaseSettings,
    ImportSettings,
    PrecalcSettings,
    QueueSettings,
    Settings,
    example,
    sections,
)

__all__ = [
    "RUNBOOK_NAMES",
    "UNREAD_NAMES",
    "DatabaseSettings",
    "ImportSettings",
    "Loaded",
    "PrecalcSettings",
    "QueueSettings",
    "Settings",
    "default_file",
    "default_home",
    "example",
    "load",
    "sections",
]
