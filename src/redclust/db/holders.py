"""Who is in the way: the sessions and other things that hold a lock, or a snapshot of long ago."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from redclust.db.connect import Connection
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Holder:
    """One session; or a prepared transaction, a replication slot or a standby, which may have no process.

    ``since`` is when its transaction began; None where another role's session does not tell. ``name`` is the
    application, the prepared transaction or the slot; ``detail`` the lock's mode, or the session's state.
    """

    kind: str
    pid: int | None
    name: str
    user: str | None
    since: datetime | None
    detail: str | None

    def words(self) -> str:
        """Who it is in a sentence's middle: name, process, role, since when."""
        name = self.name or "an application without a name"
        process = f"server process {self.pid}" if self.pid else ""
        parts = [part for part in (process, self.user, self.detail) if part]
        kind = "" if self.kind in ("session", "autovacuum") else f"{self.kind} "
        at = f", since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{kind}{name} ({', '.join(parts)}{at})"


def of_relation(
    connection: Connection, relation: int, *, strong: bool = True, older_than_ms: int = 0
) -> tuple[Holder, ...]:
    """Who holds a lock on a table or index, longest first; with ``strong`` one that keeps a vacuum out.

    Whose transaction is younger than ``older_than_ms`` is left out, and who does not tell its age.
    """
    values = {"relation": relation, "strong": strong, "older_than_ms": older_than_ms}
    return _read(connection, "of_relation", values)


def of_snapshots(connection: Connection, *, own: Collection[int] = ()) -> tuple[Holder, ...]:
    """Who holds back what a vacuum may remove here, the oldest first; ``own`` processes are left out.

    Sessions of this database, prepared transactions, replication slots, and standbys with feedback.
    """
    return _read(connection, "of_snapshots", {"own": list(own)})


def others(connection: Connection) -> tuple[Holder, ...]:
    """The other clients of this database, the oldest session first."""
    return _read(connection, "others", {})


def blocking(connection: Connection, pid: int) -> tuple[Holder, ...]:
    """For whom a session waits at this moment; also prepared transactions."""
    return _read(connection, "blocking", {"pid": pid})


def _read(connection: Connection, name: str, values: Mapping[str, object]) -> tuple[Holder, ...]:
    return tuple(Holder(*row) for row in connection.execute(query("holders", name), values))
