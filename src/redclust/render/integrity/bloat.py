"""``integrity bloat`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.integrity import BloatReport, IndexAdvice, RelationBloat
from redclust.render.output import size, table


def bloat(report: BloatReport, out: Console) -> None:
    shown = [one for one in report.relations if one.method or one.verdict != "fine"]
    if shown:
        columns = ("table or index", "", "size", "wasted: estimate", "confirmed", "dead", "free")
        rows = table(*columns, "by", "what mends it", right=columns[2:])
        for one in shown:
            rows.add_row(*_row(one))
        out.print(rows)
    for one in shown:
        if one.reason:
            out.print(f"{one.name} {one.verdict}: {one.reason}")
    if report.locked_tables:
        out.print(f"Not looked at, another session holds them: {', '.join(report.locked_tables)}")
    _verdict(report, out)
    if any("--full" in one.mend for one in shown):
        out.print(
            "Free space inside a table is used by its next rows: --full, which locks everybody out, is for "
            "tables that will not grow again"
        )
    _indexes(report.indexes, out)


def _verdict(report: BloatReport, out: Console) -> None:
    bloated = sum(one.verdict == "bloated" for one in report.relations)
    limit = f"at least {report.bloat_ratio:.0%} and {size(report.min_bytes)} wasted"
    left = len(report.relations) - sum(bool(one.method) or one.verdict != "fine" for one in report.relations)
    out.print(
        f"{bloated} bloated ({limit}); {left} others do not stand out in the estimate, "
        "which alone is nothing to act on"
    )


def _row(one: RelationBloat) -> tuple[str, ...]:
    of = f" (of {one.table})" if one.kind != "table" else ""
    return (
        f"{one.name}{of}",
        one.verdict,
        size(one.size_bytes),
        one.estimate_lacks or _share(one.estimated_bytes, one.size_bytes),
        _share(one.confirmed_bytes, one.size_bytes),
        "" if one.dead_bytes is None else size(one.dead_bytes),
        "" if one.free_bytes is None else size(one.free_bytes),
        one.method,
        one.mend,
    )


def _share(part: int | None, whole: int) -> str:
    return "" if part is None else f"{size(part)} ({part / max(1, whole):.0%})"


def _indexes(advice: tuple[IndexAdvice, ...], out: Console) -> None:
    for one in advice:
        what = f"index {one.index} of {one.table}" if one.index else f"an index on {one.table}"
        out.print(f"{one.kind.capitalize()}: {what} ({size(one.size_bytes)}): {one.why}")
        for caution in one.cautions:
            out.print(f"  but: {caution}")
