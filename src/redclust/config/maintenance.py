"""When maintenance finds something to do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from redclust.config.base import LengthOfTime, Section


class MaintenanceSettings(Section):
    """When a table or index counts as bloated, and what old rows go."""

    bloat_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.3, description="A table or index is bloated when this share of it holds nothing, …"
    )
    bloat_min_mb: Annotated[float, Field(ge=0)] = Field(
        default=10, description="… and that is at least so many MiB."
    )
    bloat_budget_s: Annotated[float, Field(gt=0)] = Field(
        default=60, description="Seconds to confirm estimates of bloat by looking at pages."
    )
    exact_rows_mb: Annotated[float, Field(ge=0)] = Field(
        default=64, description="Tables of at most so many MiB are counted exactly by integrity stats."
    )
    keep_jobs: LengthOfTime = Field(
        default="30d", description="Jobs that ended so long ago are deleted by maintenance."
    )
    keep_quarantine: LengthOfTime = Field(
        default="30d", description="What integrity clean removed so long ago is given up by maintenance."
    )

    @property
    def bloat_min_bytes(self) -> int:
        return round(self.bloat_min_mb * 1024 * 1024)

    @property
    def exact_rows_bytes(self) -> int:
        return round(self.exact_rows_mb * 1024 * 1024)
