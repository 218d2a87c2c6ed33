"""What can be in the way of a restore: rights, extensions, versions, sessions, space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from redclust.db import databases
from redclust.db.connect import Connection
from redclust.db.databases import Session
from redclust.db.target import Target
from redclust.errors import DatabaseUnreachable, RedclustError, Refused, SchemaMismatch, ToolError
from redclust.ops.backup.manifest import Manifest, PayloadKind
from redclust.ops.restore import quiet
from redclust.ops.restore.reports import Connected, Space
from redclust.sql import migrations, query

#: The log that an embedded server keeps at most.
_LOG_BYTES = 4 << 30
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def of_versions(made: Manifest | None, major: int) -> list[RedclustError]:
    """Why a server of this major version, or this redclust, cannot take a backup."""
    errors: list[RedclustError] = []
    if made is not None and made.server_major > major:
        errors.append(
            ToolError(
                f"the backup is of Postgres {made.server_version}, this server is of {major}: what a newer "
                "one writes, an older one need not understand",
                hint=f"restore into a server of Postgres {made.server_major} or newer",
            )
        )
    if made is not None and (made.schema_version or 0) > len(migrations()):
        errors.append(
            SchemaMismatch(
                f"the backup's schema has version {made.schema_version}, this redclust knows "
                f"{len(migrations())}",
                hint="upgrade redclust",
            )
        )
    return errors


def of_rights(connection: Connection, name: str, roles: Sequence[str], *, swap: bool) -> list[RedclustError]:
    """Which privileges are missing, and how they are given; ``roles`` are to be made.

    Who is a superuser misses none; a database's owner with CREATEDB can do all but make roles.
    """
    row = connection.execute(query("databases", "rights"), {"name": name}).fetchone()
    superuser, createdb, createrole, owns, me = row or (False, False, False, None, "")
    errors: list[RedclustError] = []
    if superuser:
        return errors
    if not createdb:
        errors.append(
            DatabaseUnreachable(
                f"Permission denied: the role {me} may not make databases",
                hint=f'as a superuser: ALTER ROLE "{me}" CREATEDB',
            )
        )
    if swap and owns is False:
        errors.append(
            DatabaseUnreachable(
                f"Permission denied: the role {me} does not own the database {name}, and only its owner may "
                "rename it",
                hint=f'restore as its owner, or as a superuser: ALTER DATABASE "{name}" OWNER TO "{me}"',
            )
        )
    if roles and not createrole:
        errors.append(
            DatabaseUnreachable(
                f"the backup needs roles that this server does not have ({', '.join(roles)}), and {me} may "
                "not make them",
                hint="have them made, or add --no-owner: then all belongs to the role that restores",
            )
        )
    return errors


def of_extensions(connection: Connection, made: Manifest | None) -> tuple[list[str], list[RedclustError]]:
    """The backup's extensions that this server does not have, and which this role may not make."""
    if made is None or not made.extensions:
        return [], []
    names = [one.name for one in made.extensions]
    rows = connection.execute(query("restore", "extensions"), {"names": names}).fetchall()
    missing = [str(name) for name, there, _ in rows if not there]
    refused = [str(name) for name, there, may in rows if there and not may]
    errors: list[RedclustError] = []
    if missing:
        errors.append(
            ToolError(
                f"this server does not have the extensions {', '.join(missing)} that the backup needs",
                hint="install them with the server's packages",
            )
        )
    if refused:
        errors.append(
            DatabaseUnreachable(
                f"Permission denied: only a superuser may make the extensions {', '.join(refused)}",
                hint="restore as a superuser",
            )
        )
    return missing, errors


def of_sessions(
    connection: Connection, name: str, *, terminate: bool
) -> tuple[tuple[Connected, ...], list[RedclustError]]:
    """Who is connected to the live database and may not be ended, and what else holds it."""
    found: list[Connected] = []
    errors: list[RedclustError] = []
    for one in databases.sessions(connection, name):
        if quiet.is_waited_for(one) and not quiet.is_loop(one):
            found.append(Connected(str(one), "waited for"))
            continue
        fate = "ended" if quiet.is_loop(one) or terminate else "in the way"
        found.append(Connected(str(one), fate))
        if fate == "ended" and not _may_end(connection, one):
            errors.append(
                DatabaseUnreachable(
                    f"Permission denied: this role may not end {one}",
                    hint="end that session, or have pg_signal_backend granted to this role",
                )
            )
    strangers = [one.who for one in found if one.fate == "in the way"]
    if strangers:
        hint = "end those sessions, or add --terminate"
        errors.append(Refused(f"{name} is in use by {', '.join(strangers)}", hint=hint))
    prepared = [str(gid) for (gid,) in connection.execute(query("databases", "prepared"), {"name": name})]
    if prepared:
        errors.append(
            Refused(
                f"prepared transactions hold {name}: {', '.join(prepared)}",
                hint="end each of them: COMMIT PREPARED, or ROLLBACK PREPARED",
            )
        )
    return tuple(found), errors


def of_space(
    made: Manifest | None,
    room: Path,
    *,
    jobs: int,
    data: Path | None,
    log_bytes: int = _LOG_BYTES,
    remote: bool = False,
) -> tuple[tuple[Space, ...], list[RedclustError]]:
    """What a copy and its unpacked archive take, and where there is too little; ``data`` is the server's.

    A ``remote`` archive is copied here for several jobs, also where it is not packed.
    """
    if made is None:
        return (), []
    copy_bytes = made.database.size_bytes
    # Beside the data its log, until a checkpoint has passed.
    needed = [Space("the server's data", copy_bytes + min(copy_bytes, log_bytes), _free(data))]
    archives = made.of(PayloadKind.ARCHIVE)
    if jobs > 1 and any(remote or one.zstd or one.age for one in archives):
        needed.append(Space("the unpacked archive", sum(one.plain_bytes for one in archives), _free(room)))
    hints = {
        "the server's data": "redclust restore --drop-kept drops what earlier restores kept",
        "the unpacked archive": "with --jobs 1 nothing is unpacked",
    }
    errors: list[RedclustError] = [
        Refused(
            f"not enough space for {one.what}: {one.needed_bytes} bytes are needed, "
            f"{one.free_bytes} are free",
            hint=hints[one.what],
        )
        for one in needed
        if one.free_bytes is not None and one.free_bytes < one.needed_bytes
    ]
    return tuple(needed), errors


def data_of(connection: Connection, target: Target) -> tuple[Path | None, int]:
    """The server's directory, where it is this machine's and this role may know it, and its log's size."""
    row = connection.execute(query("restore", "data_directory")).fetchone()
    place, log_bytes = row or (None, _LOG_BYTES)
    host = target.parameters().get("host", "")
    local = not host or host.startswith("/") or host in _LOCAL_HOSTS
    return (Path(place) if local and place else None), int(log_bytes)


def _may_end(connection: Connection, one: Session) -> bool:
    row = connection.execute(query("databases", "may_end_sessions"), {"role": one.user}).fetchone()
    return row is None or bool(row[0])


def _free(directory: Path | None) -> int | None:
    """Free bytes where a directory is or will be; None where that cannot be seen."""
    if directory is None:
        return None
    try:
        found = os.statvfs(next(p for p in (directory, *directory.parents) if p.exists()))
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
