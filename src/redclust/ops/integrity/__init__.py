"""``integrity``: whether the data holds, how large it is, and what is wasted."""

from redclust.ops.integrity.bloat import BloatReport, RelationBloat, bloat
from redclust.ops.integrity.indexes import IndexAdvice
from redclust.ops.integrity.stats import IndexStats, StatsReport, TableStats, stats

__all__ = [
    "BloatReport",
    "IndexAdvice",
    "IndexStats",
    "RelationBloat",
    "StatsReport",
    "TableStats",
    "bloat",
    "stats",
]
