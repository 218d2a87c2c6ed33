"""``backup``: dumps that are known to be good before they are called backups."""

from redclust.ops.backup.now import BackupReport, Options
from redclust.ops.backup.now import run as now
from redclust.ops.backup.tidying import TidyReport
from redclust.ops.backup.tidying import run as tidy

__all__ = ["BackupReport", "Options", "TidyReport", "now", "tidy"]
