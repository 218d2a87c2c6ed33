"""Which database a command works on, and how to say so without its password."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from redclust.config import DatabaseSettings
from redclust.errors import ConfigError

#: Any of these in the environment names an external database, as libpq reads them.
LIBPQ_NAMES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
#: Pool sizes in the runbook's URLs: parameters of another driver, not of libpq.
POOL_PARAMETERS = ("pool_max_conns", "pool_min_conns")
DATABASE = "reddit_cluster"
SUPERUSER = "postgres"
MAINTENANCE_DATABASE = "postgres"


@dataclass(frozen=True, slots=True)
class Target:
    """One database as libpq is told of it; ``embedded`` where the server is our own."""

    conninfo: str = field(repr=False)
    embedded: bool
    source: str

    def parameters(self) -> dict[str, str]:
        """libpq's parameters, those of the environment included, the password excluded."""
        named = {k: str(v) for k, v in conninfo_to_dict(self.conninfo).items() if k != "password"}
        if self.embedded:
            return named
        environment = {
            "host": os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR"),
            "port": os.environ.get("PGPORT"),
            "dbname": os.environ.get("PGDATABASE"),
            "user": os.environ.get("PGUSER"),
        }
        return {**{k: v for k, v in environment.items() if v}, **named}

    def describe(self) -> str:
        """Host, port, database and user in words; never the password."""
        p = self.parameters()
        host = p.get("host") or p.get("hostaddr") or (f"service {p['service']}" if "service" in p else "local")
        user = p.get("user", "the operating system's user")
        return f"host={host} port={p.get('port', '5432')} database={p.get('dbname', user)} user={user}"

    def url(self) -> str:
        """A URL that psql and other clients understand; the password is left out."""
        p = self.parameters()
        host = p.pop("host", "")
        port, user = p.pop("port", ""), p.pop("user", "")
        dbname = p.pop("dbname", "")
        rest = dict(p)
        if host.startswith("/"):
            rest = {"host": host, **({"port": port} if port else {}), **rest}
            netloc = f"{quote(user)}@" if user else ""
        else:
            netloc = (f"{quote(user)}@" if user else "") + host + (f":{port}" if port else "")
        query = f"?{urlencode(rest)}" if rest else ""
        return f"postgresql://{netloc}/{quote(dbname)}{query}"

    def environment(self) -> dict[str, str]:
        """libpq's environment names for a child program: keeps the password out of its argv."""
        names = {
            "host": "PGHOST",
            "hostaddr": "PGHOSTADDR",
            "port": "PGPORT",
            "dbname": "PGDATABASE",
            "user": "PGUSER",
            "password": "PGPASSWORD",
            "service": "PGSERVICE",
            "sslmode": "PGSSLMODE",
            "sslrootcert": "PGSSLROOTCERT",
            "passfile": "PGPASSFILE",
        }
        given = {k: v for k, v in os.environ.items() if k.startswith("PG")} if not self.embedded else {}
        ours = {names[k]: str(v) for k, v in conninfo_to_dict(self.conninfo).items() if k in names}
        return {**given, **ours}

    def on(self, dbname: str) -> Target:
        """The same server, another database."""
        from psycopg.conninfo import make_conninfo

        return Target(make_conninfo(self.conninfo, dbname=dbname), self.embedded, self.source)


def external(settings: DatabaseSettings) -> Target | None:
    """The external database that settings or libpq's environment name; None means the embedded one.

    Raises:
        ConfigError: the URL cannot be understood (its text is not repeated: it may hold a password).
    """
    if settings.url is not None and settings.url.get_secret_value():
        conninfo = _without_pool_parameters(settings.url.get_secret_value())
        try:
            conninfo_to_dict(conninfo)
        except ProgrammingError:
            raise ConfigError(
                "database.url is not a Postgres URL",
                hint="postgresql://USER@HOST:PORT/DATABASE, the password best in ~/.pgpass",
            ) from None
        return Target(conninfo, embedded=False, source="database.url")
    for name in LIBPQ_NAMES:
        if os.environ.get(name):
            return Target("", embedded=False, source=name)
    return None


def _without_pool_parameters(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    kept: list[tuple[str, str]] = []
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in POOL_PARAMETERS:
            kept.append((key, value))
        elif not value.isdigit():
            raise ConfigError(f"database.url: {key} is not a whole number")
    return urlunsplit(parts._replace(query=urlencode(kept)))
