"""Free space where the server keeps its data, as far as it can be seen from here."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from redclust.db.connect import Connection
from redclust.db.layout import Layout
from redclust.db.target import Target
from redclust.sql import query


def data_directory(connection: Connection, target: Target) -> Path | None:
    """The server's data directory where it is on this machine; None where that cannot be known."""
    if target.embedded:
        return Layout(Path(target.source)).data
    # Behind a TCP port may be another machine, or a container with a path that means something else here.
    if not connection.info.host.startswith("/"):
        return None
    try:
        row = connection.execute(query("tables", "data_directory")).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    path = Path(row[0]) if row and row[0] else None
    return path if path and path.exists() else None


def free_bytes(connection: Connection, target: Target) -> int | None:
    """What the server's account may still write there; None where it cannot be seen from here."""
    directory = data_directory(connection, target)
    if directory is None:
        return None
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
