"""``integrity``: whether the data holds, how large it is, and what is wasted."""

from redclust.ops.integrity.bloat import BloatReport, RelationBloat, bloat
from redclust.ops.integrity.catalogue import Type
from redclust.ops.integrity.check import CheckReport, Result, check
from redclust.ops.integrity.clean import Cleaned, CleanReport, clean
from redclust.ops.integrity.indexes import IndexAdvice
from redclust.ops.integrity.quarantine import DropReport, QuarantineReport, RestoreReport
from redclust.ops.integrity.quarantine import drop as drop_quarantine
from redclust.ops.integrity.quarantine import ls as list_quarantine
from redclust.ops.integrity.quarantine import restore as restore_quarantine
from redclust.ops.integrity.repair import RepairReport, repair
from redclust.ops.integrity.stats import IndexStats, StatsReport, TableStats, stats

__all__ = [
    "BloatReport",
    "CheckReport",
    "CleanReport",
    "Cleaned",
    "DropReport",
    "IndexAdvice",
    "IndexStats",
    "QuarantineReport",
    "RelationBloat",
    "RepairReport",
    "RestoreReport",
    "Result",
    "StatsReport",
    "TableStats",
    "Type",
    "bloat",
    "check",
    "clean",
    "drop_quarantine",
    "list_quarantine",
    "repair",
    "restore_quarantine",
    "stats",
]
