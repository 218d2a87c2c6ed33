"""``precalc``: one run, and what is written down of it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from redclust import __version__
from redclust.config import PrecalcSettings
from redclust.db import locks
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.logs import bound
from redclust.ops.precalc import history
from redclust.ops.precalc.figures import Figures
from redclust.ops.precalc.steps import Steps
from redclust.report import Progress, Report
from redclust.sql import query

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrecalcReport(Report):
    """One run. Without any subreddit it is not ok, and the graph is the one that was there before."""

    verb: ClassVar[str] = "precalc"
    run_id: int
    cleared: bool
    snapshot_at: datetime
    duration_s: float
    figures: Figures

    @property
    def ok(self) -> bool:
        return self.figures.subreddit_nodes > 0


def run(
    database: Database,
    settings: PrecalcSettings,
    progress: Progress,
    *,
    clear: bool = False,
    min_shared_users: int | None = None,
    detailed: bool | None = None,
    full: bool = False,
) -> PrecalcReport:
    """Compute the map of one moment's data and exchange it for the one that is shown, whole or not at all.

    Where the graph that is shown can be started from, and little enough has changed (``incremental_up_to``),
    people whose subreddits changed are counted again and rows that differ are sent; ``full`` computes all of
    it, holds every row of the tables against the result, and comes to the same. ``clear`` takes nothing over
    from the graph that is there and writes every row anew. Time and memory are
    linear in the memberships and in the related pairs; counting those grows with the sum of d^2 over
    people in d subreddits.

    Raises:
        Locked: another precalc is running (named), or another session keeps the graph's tables, or
            maintenance the database, locked for longer than 10 minutes.
    """
    # What computes loads numpy; the verbs that only look at a run shall not wait for that.
    from redclust.graph.worker import Worker
    from redclust.ops.precalc.pipeline import Pipeline

    started_s = time.monotonic()
    clear = clear or settings.clear_on_start
    if min_shared_users is not None:
        settings = settings.model_copy(update={"min_shared_users": min_shared_users})
    if detailed is not None:
        settings = settings.model_copy(update={"detailed": detailed})
    with (
        locks.hold(database.connector, LockName.PRECALC) as watch,
        database.connect(bulk=True, autocommit=True) as connection,
        Worker(preload="redclust.graph.layout") as worker,
    ):
        connection.execute(query("precalc", "notice_dead_client"))
        values = {"work_mem": f"{settings.memory_mb * 1024 // 2}kB"}
        connection.execute(query("precalc", "use_memory"), values)
        # Without the names of accounts: who is forgotten is named nowhere.
        kept = settings.model_dump(exclude={"bots", "people"})
        options: dict[str, Any] = {**kept, "clear": clear, "redclust": __version__}
        run_id, dead = history.begin(connection, options)
        for dead_id, at in dead:
            progress.say(f"run {dead_id} of {at:%Y-%m-%d %H:%M} UTC was killed; its graph was never shown")
        steps = Steps(progress, settings.progress_interval)
        pipeline = Pipeline(
            database, connection, watch, settings, clear, full or clear, steps, worker, run_id
        )
        try:
            with bound(precalc=run_id):
                at, figures = pipeline.through()
                log.info("%d subreddit nodes, %d user nodes", figures.subreddit_nodes, figures.user_nodes)
        except BaseException as error:
            history.fail(database.connector, run_id, _reason(error))
            raise
    return PrecalcReport(run_id, clear, at, round(time.monotonic() - started_s, 3), figures)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "was interrupted"
    return " ".join(str(error).split()) or type(error).__name__
