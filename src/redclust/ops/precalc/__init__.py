"""``precalc``: from the data of one moment to the map that everybody sees."""

from redclust.ops.precalc.figures import Bots, Figures, TableChange, Times
from redclust.ops.precalc.history import Run
from redclust.ops.precalc.pipeline import PrecalcReport, run
from redclust.ops.precalc.status import PrecalcStatusReport, status

__all__ = [
    "Bots",
    "Figures",
    "PrecalcReport",
    "PrecalcStatusReport",
    "Run",
    "TableChange",
    "Times",
    "run",
    "status",
]
