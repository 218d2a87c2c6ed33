"""Where a report becomes text or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from redclust.report import Report

_MODULES = {"import": "import_"}
#: The width of what is not a terminal.
_ENDLESS = 10_000


def emit(report: Report, *, as_json: bool) -> None:
    """Print a report on stdout."""
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
        return
    verb = report.verb.split(".")[0]
    import_module(f"redclust.render.{_MODULES.get(verb, verb)}").show(report, console())


def to_json(report: Report) -> str:
    """One document; ``schema`` names the verb and the version, and fields are only ever added."""
    import orjson

    fields: dict[str, Any] = orjson.loads(orjson.dumps(report, default=_json_value))
    document = {"schema": f"redclust.{report.verb}/1", "ok": report.ok, **fields}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def console() -> Console:
    """Stdout as it is safe for Reddit's text: no markup, no emoji, and never cut off a terminal.

    Lines of text are left to the terminal to break: a path or an address that is copied from it is whole.
    """
    tty = sys.stdout.isatty()
    return Console(
        markup=False, emoji=False, highlight=False, soft_wrap=True, width=None if tty else _ENDLESS
    )


#: Columns whose names one searches for and types: they stay whole on a narrow terminal.
_WHOLE = frozenset({"table", "of table", "index", "key"})


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table; columns named in ``right`` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        justify = "right" if name in right else "left"
        made.add_column(name, justify=justify, overflow="fold", no_wrap=name in _WHOLE)
    return made


def figures(
    out: Console, names: Sequence[str], rows: Sequence[Sequence[str]], *, right: tuple[str, ...], spare: str
) -> None:
    """Print a table of the columns in which any row says something.

    Where it is too wide it has headers of several lines, then no ``spare``; cells are broken at last.
    """
    kept = [number for number in range(len(names)) if any(row[number] for row in rows)]
    for without, between in (("", " "), ("", "\n"), (spare, "\n")):
        shown = [number for number in kept if not without or names[number] != without]
        made = table(*(names[number] for number in shown), right=right)
        for column in made.columns:
            column.header = str(column.header).replace(" ", between)
        for row in rows:
            made.add_row(*(row[number] for number in shown))
        if out.measure(made, options=out.options.update(width=_ENDLESS)).maximum <= out.width:
            break
    out.print(made)


def plain(text: str) -> str:
    """Text without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def size(size_bytes: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _json_value(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
