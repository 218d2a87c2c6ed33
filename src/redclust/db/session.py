"""Opening a database for a command: external or embedded, with a schema that fits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redclust.config import DatabaseSettings, Loaded
from redclust.db import embedded, schema
from redclust.db.connect import Connection, Connector
from redclust.db.target import Target, external


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: more sessions on it are a call away."""

    connector: Connector

    @property
    def target(self) -> Target:
        return self.connector.target

    def name(self) -> str:
        """The database's name, as the server knows it."""
        with self.connect(autocommit=True) as connection:
            return connection.info.dbname

    def connect(self, *, bulk: bool = False, autocommit: bool = False, role: str = "") -> Connection:
        """See :meth:`Connector.connect`."""
        return self.connector.connect(bulk=bulk, autocommit=autocommit, role=role)


@contextmanager
def server(loaded: Loaded, verb: str) -> Generator[Connector]:
    """The database without a look at its schema (``db migrate``, ``db psql``)."""
    target = external(loaded.settings.database)
    if target is not None:
        yield Connector(target, loaded.settings.database, verb)
        return
    with embedded.locate(loaded.home, loaded.settings.database).in_use() as own:
        yield Connector(own, loaded.settings.database, verb)


@contextmanager
def database(loaded: Loaded, verb: str) -> Generator[Database]:
    """Open the database for a verb; the embedded one is migrated by itself.

    Raises:
        DatabaseUnreachable: no connection.
        SchemaMismatch: the schema is missing, old, newer or another system's.
    """
    with server(loaded, verb) as connector:
        yield _fitting(connector)


@contextmanager
def embedded_database(home: Path, settings: DatabaseSettings, verb: str) -> Generator[Database]:
    """The embedded database of a home, whatever external one is configured (``demo``, ``benchmark``)."""
    with embedded.locate(home, settings).in_use() as own:
        yield _fitting(Connector(own, settings, verb))


def _fitting(connector: Connector) -> Database:
    with connector.connect(autocommit=True) as connection:
        found = schema.inspect(connection)
        fits = found.state is schema.State.CURRENT
        own = connector.target.embedded and found.state in (schema.State.EMPTY, schema.State.BEHIND)
        if not fits and not own:
            schema.require(connection, connector.target.describe())
    if not fits:
        schema.migrate(connector)
    return Database(connector)


def describe(target: Target) -> str:
    """The quiet line that says which database a command uses."""
    return f"embedded Postgres in {target.source}" if target.embedded else target.describe()
