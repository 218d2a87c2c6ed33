"""``benchmark import``: the import beside a raw binary COPY of the very same rows."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redclust.db.connect import Connector
from redclust.dumps.read import Filters
from redclust.errors import ArtefactUnusable
from redclust.ops.benchmark.database import load, on, save, throw_away
from redclust.ops.benchmark.frame import Comparison, alternate
from redclust.ops.benchmark.noted import noted
from redclust.ops.import_ import import_files
from redclust.report import Progress, Report, Silent
from redclust.sql import query

#: What an import fills, in an order that its keys allow.
TABLES = ("subreddits", "users", "posts", "comments", "import_files", "imported_interactions")


@dataclass(frozen=True, slots=True)
class ImportBenchmark(Report):
    """Rows are those of the dumps; the baseline sends the same table rows, placeholders included.

    ``peak_memory_bytes`` is the sum of the peaks of this process and of its largest reader, without the
    server.
    """

    verb: ClassVar[str] = "benchmark.import"
    rows: int
    table_rows: dict[str, int]
    import_rows_per_s: float
    copy_rows_per_s: float
    comparison: Comparison
    peak_memory_bytes: int
    server_version: str


@noted
def import_benchmark(
    connector: Connector, paths: Sequence[Path], *, runs: int, batch_rows: int, progress: Progress
) -> ImportBenchmark:
    """Import ``paths`` into a throw-away database and send the same rows by COPY, in turn.

    Every run begins with empty tables of the same keys and indexes, after a checkpoint.

    Raises:
        ArtefactUnusable: a file cannot be read to its end.
    """
    with throw_away(connector) as database, tempfile.TemporaryDirectory(prefix="redclust-") as folder:

        def run_import(watch: Progress | None = None) -> int:
            report = import_files(
                database,
                list(paths),
                filters=Filters(),
                batch_rows=batch_rows,
                rejects_dir=Path(folder) / "rejects",
                progress=watch or Silent(),
            )
            if report.exit_code not in (0, 3):
                raise ArtefactUnusable("; ".join(f"{f.name}: {f.problem}" for f in report.files if f.problem))
            return sum(one.rows_read for one in report.files)

        rows = run_import(progress)  # the warm-up, and where the baseline's rows come from
        with database.connect(bulk=True, autocommit=True) as connection:
            counts = {table: save(connection, table, Path(folder)) for table in TABLES}

            def empty() -> None:
                for table in reversed(TABLES):
                    connection.execute(on(table, "truncate_table"))
                connection.execute(query("benchmark", "checkpoint"))

            def run_copy() -> None:
                with connection.transaction():
                    for table in TABLES:
                        load(connection, table, Path(folder))
                connection.execute(query("import", "analyze_imported"))

            with progress.task("benchmark import", 2 * runs, "runs") as task:
                comparison = alternate(
                    ("redclust import", lambda: _done(run_import())),
                    ("binary COPY of the same rows", run_copy),
                    runs=runs,
                    before=empty,
                    task=task,
                )
            version = connection.info.parameter_status("server_version") or ""
    return ImportBenchmark(
        rows=rows,
        table_rows=counts,
        import_rows_per_s=rows / comparison.measured.median_s,
        copy_rows_per_s=rows / comparison.baseline.median_s,
        comparison=comparison,
        peak_memory_bytes=_peak_memory_bytes(),
        server_version=version,
    )


def _done(rows: int) -> None:
    """What a timed side gives back is not looked at."""


def _peak_memory_bytes() -> int:
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(peaks) * 1024
