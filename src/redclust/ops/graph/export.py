"""``graph export``: the graph for other programs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar

from psycopg import ServerCursor, sql
from psycopg.rows import args_row

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph.files import whole_files
from redclust.ops.graph.formats import FORMS, About, LinkRow, NodeRow
from redclust.ops.graph.snapshot import NodeType, snapshot
from redclust.report import Progress, Report, Task
from redclust.sql import query

#: Rows fetched and written at a time: what an export holds in memory.
BATCH_ROWS = 5_000

Row = TypeVar("Row", NodeRow, LinkRow)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ExportReport(Report):
    """What was written; ``files`` is empty where it went to stdout."""

    verb: ClassVar[str] = "graph.export"
    to: str
    nodes: int
    links: int
    files: tuple[ExportedFile, ...]

    @property
    def ok(self) -> bool:
        return self.nodes > 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the graph, and the links inside it: nodes of ``type``, of at least ``min_val``, in
    ``community`` of whatever level, and of these the ``top`` biggest of each type; None: all.
    """

    type: NodeType | None = None
    min_val: int | None = None
    community: int | None = None
    top: int | None = None

    @property
    def limited(self) -> bool:
        return self != Selection()

    def parameters(self, connection: Connection) -> dict[str, Any]:
        """For ``export_chosen``."""
        values: dict[str, Any] = asdict(self)
        cuts = (
            None if self.top is None else connection.execute(query("graph", "export_cuts"), values).fetchone()
        )
        types, vals, ids = cuts or (None, None, None)
        return {**values, "cut_types": types, "cut_vals": vals, "cut_ids": ids}


def export(
    database: Database,
    to: str,
    output: Path | None,
    stdout: BinaryIO,
    selection: Selection,
    progress: Progress,
) -> ExportReport:
    """Write the graph, of one snapshot, to ``output`` or to ``stdout`` where that is None.

    ``to`` is a key of :data:`FORMS`. csv makes two files, ``NAME-nodes.csv`` and ``NAME-links.csv``. Memory
    does not grow with the graph; a file appears under its name only when it is whole.

    Raises:
        UsageError: csv without ``output``, or a file that cannot be written.
    """
    if to == "csv" and output is None:
        raise UsageError(
            "csv is two files and cannot go to stdout",
            hint="redclust graph export --to csv --output NAME makes NAME-nodes.csv and NAME-links.csv",
        )
    paths = () if output is None else _csv_paths(output) if to == "csv" else (output,)
    with snapshot(database, bulk=True) as connection, _sinks(paths, stdout) as (nodes, links):
        about = _write(connection, to, nodes, links, selection, progress)
    if not about.nodes:
        progress.say(
            "no node of the graph passes --type, --community and --min-val"
            if selection.limited
            else "the graph is empty: redclust precalc"
        )
    files = tuple(ExportedFile(str(path), path.stat().st_size) for path in paths)
    return ExportReport(to, about.nodes, about.links, files)


def _csv_paths(output: Path) -> tuple[Path, Path]:
    stem = output.name.removesuffix(".csv")
    return output.with_name(f"{stem}-nodes.csv"), output.with_name(f"{stem}-links.csv")


@contextmanager
def _sinks(paths: tuple[Path, ...], stdout: BinaryIO) -> Generator[tuple[BinaryIO, BinaryIO]]:
    """Where nodes go and where links go."""
    if not paths:
        yield stdout, stdout
        stdout.flush()
        return
    with whole_files(*paths) as files:
        yield files[0], files[-1]


def _write(
    connection: Connection,
    to: str,
    nodes: BinaryIO,
    links: BinaryIO,
    selection: Selection,
    progress: Progress,
) -> About:
    form = FORMS[to]
    connection.execute(query("graph", "plan_for_all_rows"))
    values = selection.parameters(connection)
    (counts,) = connection.execute(_chosen("export_counts"), values).fetchall()
    run = connection.execute(query("graph", "shown_run")).fetchone()
    about = About(counts[0], counts[1], run[0] if run else None)
    with progress.task("exporting", total=about.nodes + about.links, unit="rows") as task:
        nodes.write(form.before_nodes(about).encode())
        with _cursor(connection, "export_nodes", NodeRow, values) as rows:
            _copy(rows, form.node, form.separator, nodes, task)
        nodes.write(form.after_nodes.encode())
        links.write(form.before_links.encode())
        with _cursor(connection, "export_links", LinkRow, values) as rows:
            _copy(rows, form.link, form.separator, links, task)
        links.write(form.after_links.encode())
    return about


def _cursor(connection: Connection, name: str, row: type[Row], values: dict[str, Any]) -> ServerCursor[Row]:
    cursor = connection.cursor(name, row_factory=args_row(row))
    cursor.execute(_chosen(name), values)
    return cursor


def _chosen(name: str) -> sql.Composed:
    return sql.SQL(query("graph", name)).format(chosen=sql.SQL(query("graph", "export_chosen")))


def _copy(
    rows: ServerCursor[Row], line: Callable[[Row], str], separator: str, sink: BinaryIO, task: Task
) -> None:
    first = True
    while batch := rows.fetchmany(BATCH_ROWS):
        text = separator.join([line(row) for row in batch])
        sink.write((text if first else separator + text).encode())
        first = False
        task.advance(len(batch))
