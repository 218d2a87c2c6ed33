"""Backups and restores over TLS, and with programs that were built without it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tls import Certificates, tls_proxy

from harness import ExternalServer, Redclust, open_directory
from redclust import config, pgtools
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.target import Target
from redclust.ops import restore
from redclust.ops.restore import Request
from redclust.report import Silent

_WITH_TLS = Path("/usr/lib/postgresql/15/bin")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl program")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> Iterator[ExternalServer]:
    """A Postgres that takes connections over TLS only."""
    if not (_WITH_TLS / "initdb").exists():
        pytest.skip("there is no Postgres with TLS here")
    directory = open_directory()
    made = ExternalServer.make(directory, _WITH_TLS)
    made.stop()
    for path in (certificates.crt, certificates.key):
        copy = Path(shutil.copy(path, made.data))
        copy.chmod(0o600)
        if made.account is not None:
            shutil.chown(copy, made.account.uid, made.account.gid)
    with (made.data / "postgresql.conf").open("a") as file:
        file.write("ssl = on\n")
    (made.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def environment(
    server: ExternalServer, port: int, ca: Path, place: Path, bin_dir: Path | None
) -> dict[str, str]:
    query = f"?sslmode=verify-full&sslrootcert={ca}"
    url = server.url("tls", query=query).replace(f":{server.port}/", f":{port}/")
    named = {"REDCLUST_DATABASE__BIN_DIR": str(bin_dir)} if bin_dir else {}
    return {"DATABASE_URL": url, "REDCLUST_BACKUP__TARGET": str(place), **named}


def test_backup_and_restore_over_tls(
    server: ExternalServer, certificates: Certificates, redclust: Redclust, place: Path, tmp_path: Path
) -> None:
    with psycopg.connect(server.conninfo(sslmode="require"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE tls")
    env = environment(server, server.port, certificates.ca, place, _WITH_TLS)
    settings = {"url": env["DATABASE_URL"], "bin_dir": _WITH_TLS}
    loaded = config.load(home=tmp_path, flags={"database": settings, "backup": {"target": str(place)}})
    target = Target(env["DATABASE_URL"], embedded=False, source="test")
    schema.migrate(Connector(target, loaded.settings.database, "test"))
    redclust("backup", "now", env=env, check=0)
    assert restore.drill(loaded, None, Silent()).ok
    with restore.prepare(loaded, Request("latest", swap=True), Silent()) as prepared:
        assert prepared.run().compared
    strange = environment(server, server.port, certificates.other_ca, place, _WITH_TLS)
    assert "certificate verify failed" in redclust("backup", "now", env=strange, check=11).stderr


def test_programs_without_tls_are_named(
    external: ExternalServer,
    certificates: Certificates,
    redclust: Redclust,
    place: Path,
    tmp_path: Path,
    bin_dir: Path | None,
) -> None:
    """The wheel's have none; a proxy speaks TLS for its server."""
    if bin_dir is not None:
        pytest.skip("these programs have TLS")
    wheel = pgtools.wheel_bin_dir()
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE tls")
    try:
        with tls_proxy(external.port, certificates) as port:
            env = environment(external, port, certificates.ca, place, wheel)
            env["REDCLUST_HOME"] = str(tmp_path / "home")
            redclust("db", "migrate", env=env, check=0)
            done = redclust("backup", "now", env=env, check=14)
            assert "this pg_dump has no TLS, which the server or its URL needs" in done.stderr
            assert "HINT: set database.bin_dir to client programs with TLS" in done.stderr
            assert "pa55" not in done.stderr
            assert [path for path in place.iterdir() if not path.name.startswith(".")] == []
            # Made without TLS, to be restored with it.
            direct = {**env, "DATABASE_URL": external.url("tls")}
            redclust("backup", "now", env=direct, check=0)
            done = redclust("restore", "--into", "tls_2", env=env, check=14)
            assert "this pg_restore has no TLS" in done.stderr
            with psycopg.connect(external.conninfo(), autocommit=True) as admin:
                names = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'tls%'").fetchall()
            assert names == [("tls",)]
    finally:
        with psycopg.connect(external.conninfo(), autocommit=True) as admin:
            admin.execute("DROP DATABASE tls WITH (FORCE)")
