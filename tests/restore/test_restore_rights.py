"""On a server of somebody else's: what a role that is no superuser can do, and what it is told it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from restore_world import Place, damage, fill, hashes

from harness import ExternalServer, Redclust
from redclust.config import DatabaseSettings
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import DatabaseUnreachable


@pytest.fixture
def owned(
    external: ExternalServer, redclust: Redclust, tmp_path: Path, bin_dir: Path | None
) -> Iterator[Place]:
    """A database whose owner may make databases, and is nothing more."""
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE ROLE owner LOGIN CREATEDB PASSWORD 'owner'")
        admin.execute("CREATE DATABASE owned OWNER owner")
    conninfo = external.conninfo("owned", user="owner", password="owner")
    target = Target(conninfo, embedded=False, source="test")
    database = Database(Connector(target, DatabaseSettings(bin_dir=bin_dir), "test"))
    schema.migrate(database.connector)
    fill(database)
    yield Place(database, redclust, tmp_path / "backups", tmp_path / "home", url=conninfo)
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        names = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'owned%'").fetchall()
        for (name,) in names:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute("DROP ROLE owner")


def test_an_owner_with_createdb_restores_and_takes_back(owned: Place) -> None:
    before = hashes(owned.target)
    name = owned.backup()
    damage(owned.database)
    damaged = hashes(owned.target)
    assert owned.restore(swap=True).left_undone == ()
    assert hashes(owned.target) == before
    owned.undo()
    assert hashes(owned.target) == damaged
    report = owned.report("backup", "drill", name)
    verdicts = {one["name"]: one["verdict"] for one in report["checks"]}
    assert verdicts["indexes"] == "skipped"
    assert verdicts["keys"] == "fine"


def test_the_rights_that_are_missing_are_named(owned: Place, external: ExternalServer) -> None:
    owned.backup()
    with psycopg.connect(external.conninfo(), autocommit=True) as admin:
        admin.execute("ALTER ROLE owner NOCREATEDB")
        with pytest.raises(DatabaseUnreachable, match="the role owner may not make databases") as raised:
            owned.restore(swap=True)
        assert 'ALTER ROLE "owner" CREATEDB' in raised.value.hint
        admin.execute("ALTER ROLE owner CREATEDB")
        admin.execute("ALTER DATABASE owned OWNER TO keeper")
        with pytest.raises(DatabaseUnreachable, match="does not own the database owned"):
            owned.restore(swap=True)
        admin.execute("ALTER DATABASE owned OWNER TO owner")
        with (
            psycopg.connect(external.conninfo("owned")),
            pytest.raises(
                DatabaseUnreachable, match="this role may not end a session without a name of keeper"
            ),
        ):
            owned.restore(swap=True, terminate=True)
    assert owned.others() == []


def test_roles_that_it_may_not_make(owned: Place, external: ExternalServer) -> None:
    with psycopg.connect(external.conninfo("owned"), autocommit=True) as admin:
        admin.execute("CREATE ROLE gone")
        admin.execute("GRANT SELECT ON posts TO gone")
        owned.backup()
        admin.execute("DROP OWNED BY gone")
        admin.execute("DROP ROLE gone")
    with pytest.raises(DatabaseUnreachable, match=r"\(gone\), and owner may not make them") as raised:
        owned.restore()
    assert "--no-owner" in raised.value.hint
    before = hashes(owned.target)
    owned.restore(owners=False, into="owned_mine")
    assert hashes(owned.target.on("owned_mine")) == before
    assert (
        "without owners and grants: this server has no role gone" in owned.report("backup", "drill")["notes"]
    )
