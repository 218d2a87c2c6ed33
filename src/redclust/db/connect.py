"""The only place that connects: every session carries its name, its time limits and UTC."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

import psycopg

from redclust.config import DatabaseSettings
from redclust.db.target import Target
from redclust.errors import DatabaseUnreachable, SchemaMismatch
from redclust.sql import query

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]

#: Milliseconds that a read may take unless the settings say otherwise.
READ_TIMEOUT_MS = 30_000
OLDEST_MAJOR = 15
# A client that froze inside a transaction must not hold its locks for ever.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 600_000


@dataclass(frozen=True, slots=True)
class Connector:
    """How one command reaches its database."""

    target: Target
    settings: DatabaseSettings
    verb: str

    def connect(self, *, bulk: bool = False, autocommit: bool = False, role: str = "") -> Connection:
        """Open a session; ``bulk`` work has no statement timeout unless the settings name one.

        ``role`` is appended to the application's name, so that an operator can tell two sessions of one
        command apart.

        Raises:
            DatabaseUnreachable: no connection within the timeout, or the server refuses this user.
            SchemaMismatch: the server is older than Postgres 15.
        """
        name = f"redclust {self.verb}{' ' + role if role else ''}"
        try:
            connection = psycopg.connect(
                self.target.conninfo,
                connect_timeout=self.settings.connect_timeout_s,
                application_name=name[:63],
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from None
        major = connection.info.server_version // 10_000
        if major < OLDEST_MAJOR:
            connection.close()
            raise SchemaMismatch(
                f"the server is Postgres {major}; redclust needs {OLDEST_MAJOR} or newer "
                f"({self.target.describe()})"
            )
        default_ms = 0 if bulk else READ_TIMEOUT_MS
        named_ms = self.settings.statement_timeout_ms
        limits = {
            "statement_timeout_ms": default_ms if named_ms is None else named_ms,
            "idle_in_transaction_timeout_ms": IDLE_IN_TRANSACTION_TIMEOUT_MS,
        }
        connection.execute(query("db", "limit_session"), limits)
        connection.autocommit = autocommit
        log.debug("connected as %s to %s", name, self.target.describe())
        return connection

    def environment(self) -> dict[str, str]:
        """libpq's environment names for a child program (psql, pg_dump): no password in its argv."""
        return {**self.target.environment(), "PGAPPNAME": f"redclust {self.verb}"}

    def _unreachable(self, error: psycopg.OperationalError) -> DatabaseUnreachable:
        reason = _without_secrets(str(error), self.target)
        where = self.target.describe()
        if re.search(r"database \".*\" does not exist", reason):
            hint = "create it with createdb, then run redclust db migrate"
        elif "authentication" in reason or "no pg_hba.conf entry" in reason or "password" in reason:
            return DatabaseUnreachable(
                f"database not reachable: Permission denied at {where}: {reason}",
                hint="give the password in ~/.pgpass or PGPASSWORD, or ask the server's administrator",
            )
        else:
            hint = "is the server running, and does it listen there?"
        return DatabaseUnreachable(f"database not reachable at {where}: {reason}", hint=hint)


def _without_secrets(text: str, target: Target) -> str:
    from psycopg.conninfo import conninfo_to_dict

    password = str(conninfo_to_dict(target.conninfo).get("password") or "")
    line = " ".join(text.split())
    return line.replace(password, "****") if password else line
