"""On a server of somebody else's: rights, row policies, pg_dump's version, and where the password goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

from harness import ExternalServer, Redclust, settings_for
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.target import Target
from redclust.ops.backup import manifest


@dataclass
class Owned:
    """A database whose owner is nothing more, and a place for its backups."""

    redclust: Redclust
    server: ExternalServer
    place: Path

    secret = "0wner&s-w0rd"

    def admin(self, statement: str) -> None:
        with psycopg.connect(self.server.conninfo("owned"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def environment(self, user: str = "owner") -> dict[str, str]:
        url = f"postgresql://{user}:0wner%26s-w0rd@127.0.0.1:{self.server.port}/owned"
        return {"DATABASE_URL": url, "REDCLUST_BACKUP__TARGET": str(self.place)}

    def __call__(
        self, *args: str, check: int, user: str = "owner", env: dict[str, str] | None = None
    ) -> CompletedProcess[str]:
        return self.redclust("backup", *args, env={**self.environment(user), **(env or {})}, check=check)

    def names(self) -> list[str]:
        found = self.place.iterdir() if self.place.is_dir() else ()
        return [path.name for path in found if not path.name.startswith(".")]


@pytest.fixture
def owned(external: ExternalServer, redclust: Redclust, place: Path, bin_dir: Path | None) -> Iterator[Owned]:
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        for role in ("owner", "reader"):
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{Owned.secret}'")  # type: ignore[arg-type]
        admin.execute("CREATE DATABASE owned OWNER owner")
    made = Owned(redclust, external, place)
    conninfo = external.conninfo("owned", user="owner", password=Owned.secret)
    target = Target(conninfo, embedded=False, source="test")
    schema.migrate(Connector(target, settings_for(bin_dir).database, "test"))
    yield made
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("DROP DATABASE owned WITH (FORCE)")
        for role in ("owner", "reader"):
            admin.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]


def test_an_owner_backs_up_and_no_password_is_anywhere(owned: Owned) -> None:
    owned.admin("ALTER DATABASE owned SET work_mem = '5MB'")
    owned.admin("GRANT CONNECT ON DATABASE owned TO reader")
    seen: list[bytes] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    if entry.name.isdigit():
                        seen.append((entry / "cmdline").read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        done = owned("now", "-vv", check=0)
    finally:
        ended.set()
        thread.join()
    assert any(b"pg_dump\0" in argv and b"--snapshot=" in argv for argv in seen), "it was looked at in time"
    path = owned.place / owned.names()[0]
    texts = [*seen, done.stdout.encode(), done.stderr.encode(), *(f.read_bytes() for f in path.iterdir())]
    for secret in (Owned.secret, "0wner%26s-w0rd", "SCRAM-SHA-256", ExternalServer.password):
        assert not any(secret.encode() in text for text in texts), secret
    roles = (path / "roles.sql").read_text()
    assert "CREATE ROLE owner;" in roles
    assert "PASSWORD" not in roles
    made = manifest.decode((path / "manifest.json").read_bytes(), "it")
    assert [(s.name, s.value) for s in made.database.settings] == [("work_mem", "5MB")]
    assert {(g.grantee, g.privilege) for g in made.database.grants or ()} >= {("reader", "CONNECT")}
    assert made.database.owner == "owner"
    assert {role.name for role in made.roles if role.concerned} >= {"owner"}


def test_rights_that_are_missing_are_named_before_anything_is_written(owned: Owned) -> None:
    told = owned("now", check=11, user="reader").stderr
    assert "Permission denied" in told
    assert "public.comments" in told
    assert "pg_read_all_data" in told
    assert owned.names() == []
    owned.admin("GRANT pg_read_all_data TO reader")
    owned("now", check=0, user="reader")


def test_rows_that_a_policy_hides_are_not_left_out_in_silence(owned: Owned) -> None:
    owned.admin("INSERT INTO users (name) VALUES ('somebody')")
    owned.admin("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    owned("now", check=0)  # its owner sees all
    owned.admin("ALTER TABLE users FORCE ROW LEVEL SECURITY")
    told = owned("now", check=11).stderr
    assert "a row policy hides rows of public.users from this role" in told
    assert "BYPASSRLS" in told
    assert len(owned.names()) == 1


@pytest.mark.parametrize("version", ["14.1", "99.2", None])
def test_a_pg_dump_of_another_version_is_refused(owned: Owned, tmp_path: Path, version: str | None) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if version:
        program = programs / "pg_dump"
        program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    failed = owned("now", check=14, env={"REDCLUST_DATABASE__BIN_DIR": str(programs)})
    assert "there is no pg_dump of that version" in failed.stderr
    assert version is None or f"{programs}/pg_dump is {version}" in failed.stderr
    assert "apt install postgresql-client-" in failed.stderr
    assert owned.names() == []


def test_an_unreachable_database_is_a_failed_backup(owned: Owned) -> None:
    nowhere = owned.environment()["DATABASE_URL"].replace(str(owned.server.port), "1")
    failed = owned("now", check=11, env={"DATABASE_URL": nowhere})
    assert "database not reachable" in failed.stderr
    assert Owned.secret not in failed.stderr
    told = owned("status", check=3, env={"DATABASE_URL": nowhere}).stdout
    assert "1 run failed since" in told
    assert "database not reachable" in told
