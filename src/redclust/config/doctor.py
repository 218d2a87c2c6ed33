"""From where on ``doctor`` warns: the runbook's targets and alerts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from redclust.config.base import LengthOfTime, Section

_Share = Annotated[float, Field(gt=0, le=1)]


class DoctorSettings(Section):
    """From where on `doctor` warns."""

    disk_warning: _Share = Field(default=0.8, description="Share of a disk in use that is a warning, …")
    disk_critical: _Share = Field(default=0.85, description="… and that is critical.")
    connections_warning: _Share = Field(
        default=0.8, description="Share of the server's connections in use that is a warning, …"
    )
    connections_critical: _Share = Field(default=0.9, description="… and that is critical.")
    crawl_success: _Share = Field(default=0.9, description="Share of crawls that must come to their end, …")
    crawl_window: LengthOfTime = Field(default="24h", description="… of those within so long.")
    queue_max_age: LengthOfTime = Field(
        default="24h", description="A job that may run waits so long at most."
    )
    precalc_max_age: LengthOfTime = Field(
        default="3h", description="A graph older than this, with data that came after it, is stale."
    )
    drill_max_age: LengthOfTime = Field(default="35d", description="Age of the last drill that is too old.")
    integrity_max_age: LengthOfTime = Field(default="35d", description="Of the last integrity check.")
    maintenance_max_age: LengthOfTime = Field(default="35d", description="Of the last maintenance.")
    transaction_max_age: LengthOfTime = Field(default="1h", description="Of an open transaction.")
    clock_max_s: Annotated[float, Field(gt=0)] = Field(
        default=5, description="Seconds between the server's clock and this machine's."
    )
    wraparound: _Share = Field(
        default=0.3, description="Share of the transactions before wraparound that are used up."
    )
    log_errors: _Share = Field(
        default=0.05,
        description="Share of the newest 1,000 lines that are errors, of the embedded server's log and of "
        "redclust's own.",
    )
