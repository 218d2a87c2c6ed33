"""Asking before something that cannot be taken back."""

from __future__ import annotations

import sys

import typer

from redclust.errors import Refused


def severe(what: str, name: str, given: str | None) -> None:
    """Go on only where ``--confirm`` or a person at a terminal names ``name``.

    Raises:
        Refused: the name is another one, or nobody is there to be asked.
    """
    if given is None and sys.stdin.isatty() and sys.stderr.isatty():
        given = typer.prompt(f"{what}. Type {name} to go on", default="", show_default=False, err=True)
    if given is None:
        raise Refused(f"{what}: this needs --confirm {name}", hint="--dry-run shows what it would do")
    if given != name:
        raise Refused(f"{what}: {given!r} is not {name!r}; nothing was done")
