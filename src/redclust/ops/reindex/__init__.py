"""``reindex``: indexes built anew, and what dead runs have left taken away."""

from redclust.ops.reindex.rebuild import Request, reindex, work
from redclust.ops.reindex.report import IndexRebuild, Leftover, ReindexReport

__all__ = ["IndexRebuild", "Leftover", "ReindexReport", "Request", "reindex", "work"]
