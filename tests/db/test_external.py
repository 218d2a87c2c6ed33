"""A Postgres that is not ours: every way to name it, and what is said when it does not answer."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from harness import ExternalServer, Redclust, wait_until
from redclust.config import DatabaseSettings
from redclust.db.connect import Connector
from redclust.db.failures import in_words
from redclust.db.target import Target, from_url
from redclust.db.target import external as external_target
from redclust.errors import ConfigError, DatabaseUnreachable, Locked

Environment = Mapping[str, str]


def pgpass(server: ExternalServer, path: Path) -> Path:
    password = server.password.replace("\\", "\\\\").replace(":", "\\:")
    path.write_text(f"127.0.0.1:{server.port}:*:{server.user}:{password}\n")
    path.chmod(0o600)
    return path


def by_url(server: ExternalServer, tmp_path: Path) -> Environment:
    return {"DATABASE_URL": server.url(query="?pool_max_conns=20&connect_timeout=5&pool_min_conns=5")}


def by_file(server: ExternalServer, tmp_path: Path) -> Environment:
    (tmp_path / "redclust.yaml").write_text(json.dumps({"database": {"url": server.conninfo()}}))
    return {"REDCLUST_CONFIG": str(tmp_path / "redclust.yaml")}


def by_environment(server: ExternalServer, tmp_path: Path) -> Environment:
    return server.environment()


def by_passfile(server: ExternalServer, tmp_path: Path) -> Environment:
    named = {k: v for k, v in server.environment().items() if k != "PGPASSWORD"}
    return {**named, "PGPASSFILE": str(pgpass(server, tmp_path / "passwords"))}


def by_home_pgpass(server: ExternalServer, tmp_path: Path) -> Environment:
    pgpass(server, tmp_path / ".pgpass")
    return {
        "DATABASE_URL": f"postgresql://{server.user}@127.0.0.1:{server.port}/postgres",
        "HOME": str(tmp_path),
    }


def by_service(server: ExternalServer, tmp_path: Path) -> Environment:
    lines = [f"{key}={value}" for key, value in server.keywords().items()]
    (tmp_path / "services").write_text("\n".join(["[map]", *lines, ""]))
    return {"PGSERVICEFILE": str(tmp_path / "services"), "PGSERVICE": "map"}


@pytest.mark.parametrize(
    "way",
    [by_url, by_file, by_environment, by_passfile, by_home_pgpass, by_service],
    ids=lambda w: w.__name__,
)
def test_every_way_to_name_a_server(
    redclust: Redclust,
    external: ExternalServer,
    home: Path,
    tmp_path: Path,
    way: Callable[[ExternalServer, Path], Environment],
) -> None:
    env = {**way(external, tmp_path), "REDCLUST_HOME": str(home)}
    question = "SELECT current_user || current_setting('port') || current_setting('application_name')"
    found = redclust("db", "psql", "--", "-XAtc", question, env=env, check=0)
    assert found.stdout == f"{external.user}{external.port}redclust psql\n"
    assert external.password not in found.stderr
    assert not home.exists(), "no embedded server was made"


def test_status_and_url_of_an_external_server(redclust: Redclust, external: ExternalServer) -> None:
    env = {"DATABASE_URL": external.url(query="?pool_max_conns=3")}
    found = json.loads(redclust("db", "status", "--format", "json", env=env, check=0).stdout)
    assert (found["kind"], found["running"], found["schema_state"]) == ("external", True, "empty")
    assert f"host=127.0.0.1 port={external.port} database=postgres user={external.user}" in found["database"]
    url = redclust("db", "url", env=env, check=0).stdout.strip()
    assert url == f"postgresql://{external.user}@127.0.0.1:{external.port}/postgres"
    for verb in ("start", "stop", "upgrade"):
        refused = redclust("db", verb, env=env, check=2)
        assert "external" in refused.stderr


def where(server: ExternalServer) -> str:
    return f"host=127.0.0.1 port={server.port} database=reddit_cluster user={server.user}"


@pytest.mark.parametrize("wrong", ["password", "database", "role", "server"])
def test_unreachable_says_where_and_never_the_password(
    redclust: Redclust, external: ExternalServer, wrong: str
) -> None:
    secret = "s3cr3t-w0rd" if wrong == "password" else external.password
    user = "nobody_here" if wrong == "role" else external.user
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1] if wrong == "server" else external.port
    keywords = external.keywords("reddit_cluster", user=user, password=secret, port=str(port))
    env = {"DATABASE_URL": " ".join(f"{k}='{v}'" for k, v in keywords.items())}
    verbose = ("-vv",) if wrong in ("password", "server") else ()
    failed = redclust("db", "migrate", "--format", "json", *verbose, env=env, check=11)
    assert "redclust: database not reachable" in failed.stderr
    assert f"host=127.0.0.1 port={port} database=reddit_cluster user={user}" in failed.stderr
    assert "HINT: " in failed.stderr
    assert ("Traceback" in failed.stderr) == bool(verbose)
    assert secret not in failed.stdout + failed.stderr
    assert failed.stdout == ""


def test_the_password_of_the_environment_stays_there(redclust: Redclust, external: ExternalServer) -> None:
    env = {**external.environment(), "PGPASSWORD": "s3cr3t-w0rd"}
    failed = redclust("db", "status", "-vv", env=env, check=11)
    assert "s3cr3t-w0rd" not in failed.stdout + failed.stderr


UNREADABLE = [
    "postgresql://keeper:se@cr/et@127.0.0.1/db",
    "postgresql://keeper:se@cret@127.0.0.1/db",
    "postgresql://keeper:se/cret@127.0.0.1/db",
    "postgresql://keeper:secret@127.0.0.1/db?nonsense=secret",
    "postgresql://keeper:secret@127.0.0.1:x/db",
    "postgresql://keeper:secret@127.0.0.1/db?pool_max_conns=secret",
    "host=127.0.0.1 password='secret",
]


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """Also where libpq reads it otherwise than meant, and would send half a password to a name server."""
    with pytest.raises(ConfigError, match=r"^database\.url") as caught:
        external_of(url)
    told = str(caught.value) + caught.value.hint
    assert not [part for part in ("secret", "cret", "et@", "keeper", "127.0.0.1") if part in told]


def test_a_url_that_cannot_be_read_ends_with_10(redclust: Redclust) -> None:
    failed = redclust("db", "status", "-vv", env={"DATABASE_URL": UNREADABLE[0]}, check=10)
    assert "redclust: database.url" in failed.stderr
    assert "127.0.0.1" not in failed.stderr


def external_of(url: str) -> Target | None:
    return external_target(DatabaseSettings.model_validate({"url": url}))


def test_no_password_in_the_arguments_of_a_child(redclust: Redclust, external: ExternalServer) -> None:
    env = {"DATABASE_URL": external.url()}
    running = redclust.start("db", "psql", "--", "-Xc", "SELECT pg_sleep(30)", env=env)

    def command_lines() -> list[bytes]:
        found: list[bytes] = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == running.pid:
                    found.append((entry / "cmdline").read_bytes())
            except (OSError, ValueError):
                continue
        return found

    wait_until(lambda: any(b"/psql\0" in line for line in command_lines()), "psql runs")
    for line in command_lines():
        assert external.password.encode() not in line
        assert b"pa55%26word" not in line


def test_pool_sizes_are_understood_and_the_rest_of_the_url_is_left_alone() -> None:
    def passed_on(url: str) -> str:
        target = external_of(url)
        assert target is not None
        return target.conninfo

    base = "postgresql://u:p@h:1/d"
    assert passed_on(f"{base}?pool_max_conns=20&pool_min_conns=5") == base
    assert passed_on(f"{base}?sslmode=disable&pool_min_conns=5") == f"{base}?sslmode=disable"
    assert passed_on(f"{base}?pool_max_conns=5&sslmode=disable") == f"{base}?sslmode=disable"
    # What libpq reads by rules of its own passes as it stands: + is no space, %20 is one.
    odd = f"{base}?password=a+b&options=-c%20work_mem%3D8MB"
    assert passed_on(odd) == odd
    with pytest.raises(ConfigError, match="pool_max_conns"):
        external_of(f"{base}?pool_max_conns=many")


def test_a_target_says_itself_without_its_password() -> None:
    target = from_url("postgresql://u:geheim@[::1]:5433/d?options=-c%20work_mem%3D8MB", source="test")
    assert "geheim" not in repr(target) + target.url() + target.describe()
    again = from_url(target.url(), source="test")
    assert again.parameters() == target.parameters()
    assert target.environment() == {
        "PGHOST": "::1",
        "PGPORT": "5433",
        "PGUSER": "u",
        "PGDATABASE": "d",
        "PGPASSWORD": "geheim",
        "PGOPTIONS": "-c work_mem=8MB",
    }


def connector(server: ExternalServer, **options: object) -> Connector:
    target = Target(server.conninfo(), embedded=False, source="test")
    return Connector(target, DatabaseSettings.model_validate(options), "verb")


def shown(connection: psycopg.Connection[tuple[object, ...]], name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return row[0] if row else None


def test_every_session_has_its_name_and_limits(external: ExternalServer) -> None:
    with closing(connector(external).connect(role="reader")) as reading:
        assert shown(reading, "application_name") == "redclust verb reader"
        assert shown(reading, "statement_timeout") == "30s"
        assert shown(reading, "TimeZone") == "UTC"
        assert shown(reading, "search_path") == "public"
    with closing(connector(external).connect(bulk=True)) as bulk:
        assert shown(bulk, "statement_timeout") == "0"
    for bulk_work in (False, True):
        with closing(connector(external, statement_timeout_ms=1500).connect(bulk=bulk_work)) as named:
            assert shown(named, "statement_timeout") == "1500ms"


def test_a_statement_that_takes_too_long_says_timeout_exceeded(external: ExternalServer) -> None:
    with closing(connector(external, statement_timeout_ms=50).connect()) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            connection.execute("SELECT pg_sleep(5)")
        told = in_words(caught.value)
    assert isinstance(told, DatabaseUnreachable)
    assert "timeout exceeded" in str(told)


def test_what_a_server_says_has_the_exit_code_of_its_kind(external: ExternalServer) -> None:
    with closing(connector(external).connect()) as one, closing(connector(external).connect()) as two:
        one.execute("CREATE TEMPORARY TABLE t (n int)")
        one.execute("SELECT pg_advisory_xact_lock(1)")
        two.execute("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable) as locked:
            two.execute("SELECT pg_advisory_xact_lock(1)")
        assert isinstance(in_words(locked.value), Locked)
        two.rollback()
        two.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as readonly:
            two.execute("CREATE TABLE never (n int)")
        assert isinstance(in_words(readonly.value), DatabaseUnreachable)
        two.rollback()
        two.execute("SELECT pg_terminate_backend(%s)", (one.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError) as ended:
            one.execute("SELECT 1")
        assert "ended the connection" in str(in_words(ended.value))
    assert in_words(ValueError("a bug")) is None
    assert in_words(psycopg.errors.SyntaxError("a bug too")) is None


def test_a_server_that_ends_idle_sessions_leaves_ours(external: ExternalServer) -> None:
    """A lock is held by a session that does nothing; a server's limit would give it to another run."""
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET idle_session_timeout = '100ms'")
        try:
            with closing(connector(external).connect(autocommit=True)) as ours:
                assert shown(ours, "idle_session_timeout") == "0"
        finally:
            admin.execute("ALTER DATABASE postgres RESET idle_session_timeout")
