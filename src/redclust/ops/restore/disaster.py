"""The worst day: an embedded server whose data directory is gone or cannot be used."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from redclust.db.embedded import Embedded
from redclust.db.target import Target
from redclust.errors import Locked, RedclustError, ToolError

#: What a server says whose data is missing or damaged. Anything else (a setting, a permission, a full disk)
#: is mended where it is.
_DAMAGED = (
    "could not find the database system",
    "could not open file",
    "could not open directory",
    "could not read file",
    "could not locate a valid checkpoint record",
    "incorrect checksum in control file",
    "invalid checksum",
    "is not a valid data directory",
    "invalid page",
    "database files are incompatible",
    "PANIC",
)
#: What a new server would not come by either.
_OF_THE_MACHINE = ("No space left", "Cannot allocate memory", "neither ready nor gone")


def start(own: Embedded, stack: ExitStack, *, whatever: bool) -> Target | str:
    """Start the server for as long as ``stack`` is open; or why its data cannot be used.

    A directory that is not there at all is no reason: a new server is made in its place. With ``whatever``
    any reason counts for which the server does not start, and not only those that are known for damage.

    Raises:
        SchemaMismatch: the data is of another major version.
        ToolError: the server does not start, for a reason that is not its data's.
    """
    data, initialised = own.layout.data, own.layout.initialised
    if data.is_dir() and not initialised and any(data.iterdir()) and not own.layout.upgraded.exists():
        return "PG_VERSION is missing"
    try:
        return stack.enter_context(own.in_use())
    except ToolError as error:
        told = str(error)
        if any(sign in told for sign in _OF_THE_MACHINE):
            raise
        if whatever or any(sign in told for sign in _DAMAGED):
            return told
        raise ToolError(
            told,
            hint=f"its log is {own.layout.log}; to give its data up: redclust restore latest --swap",
        ) from None


def aside(own: Embedded) -> Path:
    """The name under which the unusable directory is to be kept."""
    return own.layout.data.with_name(f"data_before_{datetime.now(UTC):%Y%m%d_%H%M%S}")


def move_aside(own: Embedded, kept: Path) -> None:
    """Keep the unusable directory under another name, while nobody may use it or start the server.

    Raises:
        Locked: another command uses it.
    """
    try:
        with own.alone(wait=False):
            if own.running():
                raise RedclustError(f"a server runs on {own.layout.data}: it is not unusable")
            own.layout.data.rename(kept)
    except BlockingIOError:
        raise Locked(f"another command uses {own.layout.data}", hint="wait until it ends") from None
