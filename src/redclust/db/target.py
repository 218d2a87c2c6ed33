"""Which database a command works on, and how to say so without its password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from redclust.config import DatabaseSettings
from redclust.errors import ConfigError

#: Any of these in the environment names an external database, as libpq reads them.
LIBPQ_NAMES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
#: Pool sizes in the runbook's URLs: parameters of another driver, not of libpq.
_POOL = "pool_max_conns|pool_min_conns"
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
        """libpq's parameters, those of the environment included, every password excluded."""
        named = {k: str(v) for k, v in conninfo_to_dict(self.conninfo).items() if "password" not in k}
        if self.embedded:
            return {k: v for k, v in named.items() if k in ("host", "port", "user", "dbname")}
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
        host = (
            p.get("host") or p.get("hostaddr") or (f"service {p['service']}" if "service" in p else "local")
        )
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
            address = f"[{host}]" if ":" in host else host
            netloc = (f"{quote(user)}@" if user else "") + address + (f":{port}" if port else "")
        query = f"?{urlencode(rest, quote_via=quote, safe='/')}" if rest else ""
        return f"postgresql://{netloc}/{quote(dbname)}{query}"

    def environment(self) -> dict[str, str]:
        """libpq's environment names for a child program: keeps the password out of its argv."""
        known = pq.Conninfo.get_defaults()
        names = {o.keyword.decode(): o.envvar.decode() for o in known if o.envvar is not None}
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
        return from_url(settings.url.get_secret_value(), source="database.url")
    for name in LIBPQ_NAMES:
        if os.environ.get(name):
            return Target("", embedded=False, source=name)
    return None


def from_url(url: str, *, source: str) -> Target:
    """An external database by its URL or libpq's keywords.

    Raises:
        ConfigError: it cannot be understood; ``source`` says where it stands, its text is not repeated.
    """
    conninfo = without_pool_parameters(url, source)
    try:
        told = {key: str(value) for key, value in conninfo_to_dict(conninfo).items()}
    except ProgrammingError:
        raise ConfigError(
            f"{source} is not a Postgres URL",
            hint="postgresql://USER@HOST:PORT/DATABASE, the password best in ~/.pgpass",
        ) from None
    # A password with @ or / in it ends, for libpq, too early; its rest must not go out as a host's name.
    astray = any("@" in told.get(key, "") for key in ("host", "dbname"))
    if "://" in conninfo and (astray or not re.fullmatch(r"[\d,]*", told.get("port", ""))):
        raise ConfigError(
            f"{source}: its password, or another part, holds a character that a URL must escape",
            hint="write %40 for @, %2F for /, %3A for :, %25 for %; or keep the password in ~/.pgpass",
        )
    return Target(conninfo, embedded=False, source=source)


def without_pool_parameters(url: str, source: str) -> str:
    """What libpq may see of a URL.

    Raises:
        ConfigError: a pool's size is not a number.
    """
    if "://" not in url:
        return url
    # By pattern, not by taking the URL apart: libpq reads the rest of it by rules of its own.
    for key, value in re.findall(rf"[?&]({_POOL})=([^&]*)", url):
        if not value.isdigit():
            raise ConfigError(f"{source}: {key} is not a whole number")
    return re.sub(rf"(?<=[?&])(?:{_POOL})=[^&]*(?:&|$)", "", url).rstrip("?&")
