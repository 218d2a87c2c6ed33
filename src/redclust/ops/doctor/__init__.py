"""``doctor``: what is wrong, and what to do about it."""

from redclust.ops.doctor.checks import Finding
from redclust.ops.doctor.disk import Disk, DiskReport, Item
from redclust.ops.doctor.disk import look as disk
from redclust.ops.doctor.run import Diagnostics, DoctorReport, diagnose, examine, save

__all__ = [
    "Diagnostics",
    "Disk",
    "DiskReport",
    "DoctorReport",
    "Finding",
    "Item",
    "diagnose",
    "disk",
    "examine",
    "save",
]
