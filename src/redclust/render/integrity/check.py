"""``integrity check`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.integrity import CheckReport, Result
from redclust.render.output import table


def check(report: CheckReport, out: Console) -> None:
    found = [one for one in report.checks if one.state == "found"]
    if found:
        rows = table("found", "rows", "what it means", "the first of them", right=("rows",))
        # A name is what one searches for: it stays whole.
        rows.columns[0].no_wrap = True
        for one in found:
            rows.add_row(one.name, f"{one.rows:,}", one.meaning, _sample(one))
        out.print(rows)
        for mend in dict.fromkeys(one.mend for one in found):
            out.print(f"Mended by: {mend}")
    for one in report.checks:
        if one.state in ("failed", "skipped"):
            out.print(f"{one.name} {'was ' if one.state == 'skipped' else ''}{one.state}: {one.reason}")
        elif one.state in ("clean", "found") and one.reason:
            out.print(f"{one.name}: {one.reason}")
    counts = {state: sum(one.state == state for one in report.checks) for state in _WORDS}
    told = ", ".join(f"{n} {_WORDS[state]}" for state, n in counts.items() if n)
    out.print(
        f"{len(report.checks)} checks of {report.snapshot_at:%Y-%m-%d %H:%M:%S} UTC: {told} "
        f"({report.duration_s:.1f}s)"
    )


_WORDS = {
    "clean": "clean",
    "found": "found something",
    "failed": "failed",
    "skipped": "skipped",
    "not run": "only made with --deep",
}


def _sample(one: Result) -> str:
    return ", ".join(one.sample) + (", …" if one.rows > len(one.sample) else "")
