"""``doctor``: what is wrong, and what to do about it."""

from redclust.ops.doctor.disk import Disk, DiskReport, Item
from redclust.ops.doctor.disk import look as disk

__all__ = ["Disk", "DiskReport", "Item", "disk"]
