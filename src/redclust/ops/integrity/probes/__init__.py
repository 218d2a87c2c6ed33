"""Checks that one query cannot answer; each is named by its record in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from redclust.ops.integrity.finding import Found, Look
from redclust.ops.integrity.probes.catalogs import checksums, foreign_keys, sequences
from redclust.ops.integrity.probes.derived import activity, overlap
from redclust.ops.integrity.probes.drift import schema_drift
from redclust.ops.integrity.probes.pages import btrees, heaps
from redclust.ops.integrity.probes.stored import top_links

PROBES: Mapping[str, Callable[[Look], Found]] = {
    "activity_differs": activity,
    "overlap_differs": overlap,
    "top_links_differ": top_links,
    "key_broken": foreign_keys,
    "sequence_behind": sequences,
    "index_corrupt": btrees,
    "table_corrupt": heaps,
    "schema_drift": schema_drift,
    "checksum_failures": checksums,
}
