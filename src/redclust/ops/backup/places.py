"""Where this configuration's backups lie, and which of those there are this database's."""

from __future__ import annotations

from redclust.config import Loaded
from redclust.db import embedded
from redclust.db.connect import Connection, Connector
from redclust.db.target import DATABASE, Target, external
from redclust.errors import DatabaseUnreachable
from redclust.ops.backup import catalog
from redclust.ops.backup.catalog import Catalog, Ours
from redclust.ops.backup.local import LocalStore
from redclust.ops.backup.manifest import Identity
from redclust.ops.backup.store import Store
from redclust.sql import query


def store(loaded: Loaded) -> Store:
    """The place of ``backup.target``: a directory, or what an fsspec URL names.

    Raises:
        ConfigError: the URL's driver is not installed or does not understand it.
    """
    target = loaded.settings.backup.target
    if target is None:
        return LocalStore(loaded.home / "backups")
    if "://" not in target:
        return LocalStore((loaded.home / target).absolute())
    from redclust.ops.backup.remote import RemoteStore

    return RemoteStore.of(target, loaded.settings.backup.target_options)


def source(target: Target) -> str:
    """Where a database is found, without the user: the same for every command that works on it."""
    if target.embedded:
        return f"embedded in {target.source}"
    return target.describe().rsplit(" user=", 1)[0]


def source_of(loaded: Loaded) -> str:
    """See :func:`source`; asks nobody."""
    target = external(loaded.settings.database)
    return f"embedded in {loaded.home}" if target is None else source(target)


def identity(connection: Connection) -> Identity:
    """Which database a session is on."""
    row = connection.execute(query("backup", "identity")).fetchone()
    return Identity(*(row or ("", "")))


def ours(loaded: Loaded) -> Ours:
    """Which backups are this database's; an external server is asked, and may be down."""
    target, told = external(loaded.settings.database), source_of(loaded)
    if target is None:
        known = embedded.locate(loaded.home, loaded.settings.database).identities()
        return Ours(frozenset(Identity(one, DATABASE) for one in known), told)
    try:
        connector = Connector(target, loaded.settings.database, "backup")
        with connector.connect(autocommit=True) as connection:
            return Ours(frozenset({identity(connection)}), told)
    except DatabaseUnreachable:
        return Ours(frozenset(), told)


def read(loaded: Loaded) -> Catalog:
    """The catalog of this configuration's place; needs no database."""
    return catalog.read(store(loaded), ours(loaded))
