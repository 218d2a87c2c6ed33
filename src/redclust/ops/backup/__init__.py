"""``backup``: dumps that are known to be good before they are called backups."""

from redclust.ops.backup.every import LoopReport
from redclust.ops.backup.every import run as every
from redclust.ops.backup.listing import ListReport, StatusReport, ls, status
from redclust.ops.backup.manifest import Level
from redclust.ops.backup.now import BackupReport, Options
from redclust.ops.backup.now import run as make
from redclust.ops.backup.pins import PinReport, pin, unpin
from redclust.ops.backup.takeout import DownloadReport, SnapshotReport, download, snapshot
from redclust.ops.backup.tidying import TidyReport
from redclust.ops.backup.tidying import run as tidy
from redclust.ops.backup.verify import VerifyReport
from redclust.ops.backup.verify import run as check

__all__ = [
    "BackupReport",
    "DownloadReport",
    "Level",
    "ListReport",
    "LoopReport",
    "Options",
    "PinReport",
    "SnapshotReport",
    "StatusReport",
    "TidyReport",
    "VerifyReport",
    "check",
    "download",
    "every",
    "ls",
    "make",
    "pin",
    "snapshot",
    "status",
    "tidy",
    "unpin",
]
