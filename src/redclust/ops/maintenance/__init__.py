"""``maintenance``: a round of everything, under one lock."""

from redclust.ops.maintenance.report import Figures, MaintenanceReport, Part
from redclust.ops.maintenance.round import maintenance

__all__ = ["Figures", "MaintenanceReport", "Part", "maintenance"]
