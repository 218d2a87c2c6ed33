"""Where the log goes, and how long it lasts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from redclust.config.base import Section


class LogSettings(Section):
    """What is written down of each command, besides what it prints."""

    file: str | None = Field(
        default=None,
        description="A file, or stderr; empty: HOME/logs/redclust.log. /dev/null is for those who want none.",
    )
    format: Literal["text", "json"] = Field(
        default="text", description="A line of text an event, or a JSON object."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is at least so bad is written down."
    )
    max_mb: Annotated[float, Field(gt=0)] = Field(
        default=10, description="MiB from which on the file becomes FILE.1, and a new one is begun."
    )
    keep: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Such older files that are kept."
    )
    debug_keep: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=10, description="Debug logs of runs that failed that are kept, in HOME/logs/runs."
    )
