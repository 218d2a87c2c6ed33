"""``reindex``: indexes built anew, and what dead runs have left taken away."""

from redclust.ops.reindex.indexes import unfinished
from redclust.ops.reindex.leftovers import clear_away
from redclust.ops.reindex.rebuild import Request, reindex, work
from redclust.ops.reindex.report import IndexRebuild, Leftover, ReindexReport

__all__ = [
    "IndexRebuild",
    "Leftover",
    "ReindexReport",
    "Request",
    "clear_away",
    "reindex",
    "unfinished",
    "work",
]
