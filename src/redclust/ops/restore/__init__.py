"""``restore``: into a new database, compared, then in place of the live one, which is kept."""

from redclust.ops.restore.drill import DrillReport, drill, verify
from redclust.ops.restore.reports import (
    DropReport,
    KeptDatabase,
    RestorePlan,
    RestoreReport,
    UndoReport,
)
from redclust.ops.restore.request import Request
from redclust.ops.restore.run import Prepared, prepare
from redclust.ops.restore.undo import drop_kept, kept, undo

__all__ = [
    "DrillReport",
    "DropReport",
    "KeptDatabase",
    "Prepared",
    "Request",
    "RestorePlan",
    "RestoreReport",
    "UndoReport",
    "drill",
    "drop_kept",
    "kept",
    "prepare",
    "undo",
    "verify",
]
