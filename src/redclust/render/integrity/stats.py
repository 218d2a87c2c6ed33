"""``integrity stats`` in words."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from redclust.ops.integrity import StatsReport, TableStats
from redclust.render.output import size, table

_COLUMNS = (
    *("table", "rows", "grown", "table size", "toast", "indexes", "total", "grown by", "dead rows"),
    *("vacuumed", "analyzed"),
)
#: The same in parts that 80 columns hold.
_NARROW = (
    ("table", "rows", "grown", "total", "grown by"),
    ("table", "table size", "toast", "indexes"),
    ("table", "dead rows", "vacuumed", "analyzed"),
)
#: How wide a terminal must be for all columns at once.
_WIDE = 150


def stats(report: StatsReport, out: Console) -> None:
    for columns in (_COLUMNS,) if out.width >= _WIDE else _NARROW:
        rows = table(*columns, right=_COLUMNS[1:-2])
        for one in report.tables:
            cells = dict(zip(_COLUMNS, _row(one), strict=True))
            rows.add_row(*(cells[name] for name in columns))
        out.print(rows)
    _indexes(report, out)
    if any(not one.exact for one in report.tables):
        out.print("~ is the server's estimate; --exact counts")
    placeholders = next((one.placeholder_rows for one in report.tables if one.placeholder_rows), None)
    if placeholders:
        out.print(f"{placeholders} of the posts are placeholders: comments name them, they were never seen")
    growth = f" ({_signed_size(report.size_growth_bytes)})" if report.size_growth_bytes is not None else ""
    out.print(f"database {report.database}: {size(report.size_bytes)}{growth}")
    if report.compared_with_at:
        out.print(f"grown since {report.compared_with_at:%Y-%m-%d %H:%M} UTC")
    if report.hit_ratio is not None:
        since = f" since {report.counted_since:%Y-%m-%d %H:%M} UTC" if report.counted_since else ""
        out.print(f"blocks found in memory: {report.hit_ratio:.1%}{since}")
    out.print(
        f"oldest transaction id: {report.xid_age} ids old, {report.xids_to_wraparound} left to wraparound"
    )
    for warning in report.warnings:
        out.print(f"Warning: {warning}")
    if not report.recorded:
        out.print("Not written down for the next run to compare with: this role may not write run_history")


def _row(one: TableStats) -> tuple[str, ...]:
    return (
        one.table,
        f"{'' if one.exact else '~'}{one.rows}",
        "" if one.rows_growth is None else f"{one.rows_growth:+}",
        *(
            "locked" if part is None else size(part)
            for part in (one.main_bytes, one.toast_bytes, one.index_bytes, one.total_bytes)
        ),
        "" if one.bytes_growth is None else _signed_size(one.bytes_growth),
        str(one.dead_rows),
        _at(one.vacuumed_at),
        _at(one.analyzed_at),
    )


def _indexes(report: StatsReport, out: Console) -> None:
    rows = table("index", "of table", "size", "read", right=("size", "read"))
    found = [(index, one.table) for one in report.tables for index in one.indexes]
    for index, of in sorted(found, key=lambda pair: -pair[0].size_bytes):
        rows.add_row(index.index, of, size(index.size_bytes), f"{index.scans} times")
    out.print(rows)


def _signed_size(size_bytes: int) -> str:
    return f"{'-' if size_bytes < 0 else '+'}{size(abs(size_bytes))}"


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"
