"""``vacuum``: dead rows made reusable, and tables counted anew."""

from redclust.ops.vacuum.full import full, plan
from redclust.ops.vacuum.plain import vacuum, work
from redclust.ops.vacuum.report import FullPlan, TableVacuum, VacuumReport

__all__ = ["FullPlan", "TableVacuum", "VacuumReport", "full", "plan", "vacuum", "work"]
