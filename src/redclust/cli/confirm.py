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


def moderate(what: str, yes: bool) -> None:
    """Go on only with ``--yes``, or where a person at a terminal says so.

    Raises:
        Refused: the person says no, or nobody is there to be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"{what}: this needs --yes", hint="--dry-run shows what it would do")
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise Refused(f"{what}: not confirmed; nothing was done")
