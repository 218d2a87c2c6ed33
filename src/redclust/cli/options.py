"""Options that several verbs share, with one meaning and one text each."""

from __future__ import annotations

from typing import Annotated

import typer

from redclust import duration


def length_of_time(text: str | float) -> float:
    """A duration option's value in seconds."""
    try:
        return duration.seconds(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


LockWait = Annotated[
    float,
    typer.Option(
        "--lock-wait",
        parser=length_of_time,
        metavar="TIME",
        help="Wait so long for another run to end, such as 30m; 0 gives up at once (exit 13).",
        show_default=False,
    ),
]

MaxDuration = Annotated[
    float | None,
    typer.Option(
        "--max-duration",
        parser=length_of_time,
        metavar="TIME",
        help="Stop after so long, such as 2h; what was not done then is listed (exit 3).",
        show_default=False,
    ),
]
