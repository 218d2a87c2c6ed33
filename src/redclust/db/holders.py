"""Who is in the way: the sessions and other things that hold a lock, or a snapshot of long ago."""

from __future__ import annotations

from collections.abc import Collection
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


def of_table(connection: Connection, relation: int) -> tuple[Holder, ...]:
    """Who holds a lock on a table that keeps a vacuum out, longest first."""
    rows = connection.execute(query("holders", "of_table"), {"relation": relation})
    return tuple(Holder(*row) for row in rows)


def of_snapshots(connection: Connection, *, own: Collection[int] = ()) -> tuple[Holder, ...]:
    """Who holds back what a vacuum may remove here, the oldest first; ``own`` processes are left out.

    Sessions of this database, prepared transactions, replication slots, and standbys with feedback.
    """
    rows = connection.execute(query("holders", "of_snapshots"), {"own": list(own)})
    return tuple(Holder(*row) for row in rows)
