"""``precalc``: from the data of one moment to the map that everybody sees."""

from redclust.ops.precalc.every import PrecalcLoopReport, every
from redclust.ops.precalc.figures import Bots, Figures, TableChange, Times
from redclust.ops.precalc.history import Run
from redclust.ops.precalc.run import PrecalcReport, run
from redclust.ops.precalc.status import PrecalcStatusReport, status
from redclust.ops.precalc.versions import DiffReport, RollbackReport, VersionsReport

__all__ = [
    "Bots",
    "DiffReport",
    "Figures",
    "PrecalcLoopReport",
    "PrecalcReport",
    "PrecalcStatusReport",
    "RollbackReport",
    "Run",
    "TableChange",
    "Times",
    "VersionsReport",
    "every",
    "run",
    "status",
]
