"""``vacuum``: dead rows made reusable, and tables counted anew."""

from redclust.ops.vacuum.plain import vacuum, work
from redclust.ops.vacuum.report import TableVacuum, VacuumReport

__all__ = ["TableVacuum", "VacuumReport", "vacuum", "work"]
