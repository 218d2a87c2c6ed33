"""``benchmark queue``: jobs through claim, fence and completion, beside a bare SKIP LOCKED loop."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from typing import Any, ClassVar

from redclust.config import QueueSettings
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.errors import RedclustError
from redclust.ops.benchmark.database import throw_away
from redclust.ops.benchmark.frame import Comparison, alternate
from redclust.ops.benchmark.noted import noted
from redclust.queue import Worker
from redclust.report import Progress, Report, Task
from redclust.sql import query

#: Numbers of processes that are measured.
PROCESSES = (1, 4)
#: The least speed, as a share of the bare loop's.
TO_REACH_RATIO = 0.8
OURS, BARE = "redclust's queue", "bare SELECT … FOR UPDATE SKIP LOCKED"


@dataclass(frozen=True, slots=True)
class Throughput:
    """One side: over all its jobs, and over the first and the last third of them."""

    jobs_per_s: float
    first_third_jobs_per_s: float
    last_third_jobs_per_s: float
    commits_per_s: float
    commits_per_job: float


@dataclass(frozen=True, slots=True)
class QueueSpeed:
    """``processes`` at a time; ``speed_ratio`` is ours over the bare loop's, the median of the pairs.

    ``steady_ratio`` is that ratio in the last third of the pairs over the one in the first: below 1 the queue
    grew slower by itself, not the machine.
    """

    processes: int
    queue: Throughput
    bare: Throughput
    speed_ratio: float
    steady_ratio: float
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class QueueBenchmark(Report):
    """``jobs`` went through each side for each number of processes, two commits a job.

    ``durable`` is False where the server does not wait for its disk: then commits cost nothing.
    """

    verb: ClassVar[str] = "benchmark.queue"
    jobs: int
    durable: bool
    speeds: tuple[QueueSpeed, ...]
    server_version: str

    @property
    def ok(self) -> bool:
        """Whether the speed to reach was reached, without a decline."""
        return all(min(one.speed_ratio, one.steady_ratio) >= TO_REACH_RATIO for one in self.speeds)


@noted
def queue_benchmark(
    connector: Connector, settings: QueueSettings, *, jobs: int, runs: int, progress: Progress
) -> QueueBenchmark:
    """Drain a queue of ``jobs``, in ``runs`` pieces, in turn with a bare loop that drains a table of its own.

    A job is claimed (one commit) and completed (one commit; its statement checks token and worker and locks
    the row: it is its own fence), with the worker's heartbeat running. The bare loop works on a table with
    the operator's columns only: it selects a row FOR UPDATE SKIP LOCKED and marks it (one commit), and marks
    it done (one commit).

    Raises:
        RedclustError: one of the processes failed.
    """
    size = max(1, round(jobs / runs / max(PROCESSES))) * max(PROCESSES)
    with throw_away(connector) as database, database.connect(bulk=True, autocommit=True) as connection:
        for name in ("bare_table", "bare_key", "bare_index"):
            connection.execute(query("benchmark", name))
        with progress.task("benchmark queue", len(PROCESSES) * 2 * runs, "runs") as task:
            speeds = tuple(
                _measure(database, connection, settings, processes=n, size=size, runs=runs, task=task)
                for n in PROCESSES
            )
        durable = connection.execute(query("benchmark", "durable")).fetchone()
        version = connection.info.parameter_status("server_version") or ""
    return QueueBenchmark(size * runs, bool(durable and durable[0]), speeds, version)


def _measure(
    database: Database,
    connection: Connection,
    settings: QueueSettings,
    *,
    processes: int,
    size: int,
    runs: int,
    task: Task,
) -> QueueSpeed:
    _fill(connection, size * runs)
    commits = {OURS: 0, BARE: 0}
    with ExitStack() as stack:
        loops = [stack.enter_context(_process(database.connector, settings)) for _ in range(processes)]

        def drain(side: str) -> None:
            before = _transactions(connection)
            for loop in loops:
                loop.send((side, size // processes))
            for loop in loops:
                _answer(loop)
            commits[side] += _transactions(connection) - before

        comparison = alternate(
            (OURS, lambda: drain(OURS)),
            (BARE, lambda: drain(BARE)),
            runs=runs,
            before=lambda: None,
            task=task,
        )
    ours = _throughput(comparison.measured.runs_s, commits[OURS], size)
    bare = _throughput(comparison.baseline.runs_s, commits[BARE], size)
    third = _third(runs)
    return QueueSpeed(
        processes,
        ours,
        bare,
        speed_ratio=1 / comparison.median_ratio,
        # The pairs' ratios are of times.
        steady_ratio=statistics.median(comparison.ratios[:third])
        / statistics.median(comparison.ratios[-third:]),
        comparison=comparison,
    )


def _fill(connection: Connection, jobs: int) -> None:
    connection.execute(query("benchmark", "empty_jobs"))
    for name in ("fill_jobs", "fill_bare"):
        connection.execute(query("benchmark", name), {"jobs": jobs})
    connection.execute(query("db", "analyze_all"))
    connection.execute(query("benchmark", "checkpoint"))


def _throughput(runs_s: tuple[float, ...], commits: int, size: int) -> Throughput:
    third = _third(len(runs_s))
    return Throughput(
        jobs_per_s=size / statistics.median(runs_s),
        first_third_jobs_per_s=size / statistics.median(runs_s[:third]),
        last_third_jobs_per_s=size / statistics.median(runs_s[-third:]),
        commits_per_s=commits / sum(runs_s),
        commits_per_job=commits / (size * len(runs_s)),
    )


def _third(runs: int) -> int:
    return max(1, runs // 3)


def _transactions(connection: Connection) -> int:
    """How many transactions have written something, ever."""
    row = connection.execute(query("benchmark", "transactions")).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _process(connector: Connector, settings: QueueSettings) -> Generator[Pipe[Any, Any]]:
    # Not fork: it would share our connections.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process: SpawnProcess = context.Process(target=_serve, args=(theirs, connector, settings), daemon=True)
    with ours:
        try:
            process.start()
            theirs.close()
            _answer(ours)
            yield ours
        finally:
            ours.close()
            process.join(5)
            process.kill()
            process.join()


def _answer(loop: Pipe[Any, Any]) -> None:
    try:
        loop.recv()
    except EOFError:
        raise RedclustError("a process of the benchmark ended", hint="what it said is above") from None


def _serve(pipe: Pipe[Any, Any], connector: Connector, settings: QueueSettings) -> None:
    """A worker that crawls nothing, until the other end of the pipe is closed."""
    database = Database(connector)
    with database.connect(autocommit=True) as bare, Worker(database, settings, lambda _: None) as worker:
        pipe.send(None)
        while True:
            try:
                side, jobs = pipe.recv()
            except EOFError:
                return
            if side == OURS:
                _queue_loop(worker, jobs)
            else:
                _bare_loop(bare, jobs)
            pipe.send(None)


def _queue_loop(worker: Worker, jobs: int) -> None:
    for _ in range(jobs):
        lease = worker.claim()
        if lease is None:
            raise RuntimeError("the queue is empty before its time")
        with lease:
            lease.complete(worker.connection(), "ok")


def _bare_loop(connection: Connection, jobs: int) -> None:
    for _ in range(jobs):
        with connection.transaction():
            row = connection.execute(query("benchmark", "bare_next")).fetchone()
            if row is None:
                raise RuntimeError("the table is empty before its time")
            connection.execute(query("benchmark", "bare_take"), {"id": row[0]})
        connection.execute(query("benchmark", "bare_done"), {"id": row[0]})
