"""Holding the whole queue back: nothing is claimed, and workers hand back what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redclust.db.connect import Connection
from redclust.sql import query

#: The holder of ``redclust jobs pause``.
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Pause:
    holder: str
    reason: str
    since: datetime


def pause(connection: Connection, reason: str, *, holder: str = OPERATOR) -> None:
    """Claim nothing from now on; workers hand their jobs back at the end of the page in hand.

    Each holder (the operator, a restore) has a pause of its own, so that none lifts another's. Wait until
    :func:`~redclust.queue.claims.depth` counts no job that is being crawled for a queue at rest.
    """
    connection.execute(query("queue", "pause"), {"holder": holder, "reason": reason})


def resume(connection: Connection, *, holder: str = OPERATOR) -> bool:
    """End this holder's pause; False where there was none."""
    return connection.execute(query("queue", "resume"), {"holder": holder}).rowcount > 0


def pauses(connection: Connection) -> list[Pause]:
    """Every pause, the oldest first; the queue runs when there is none."""
    return [Pause(*row) for row in connection.execute(query("queue", "pauses"))]
