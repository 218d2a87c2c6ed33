"""What can be restored: backups of every form, older ones, damaged ones, dumps that nobody vouches for."""

from __future__ import annotations

import gzip
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from psycopg import sql
from restore_world import Place, hashes

from harness import Clones, Redclust
from redclust import pgtools
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, Refused, SchemaMismatch, ToolError
from redclust.ops.backup import manifest
from redclust.sql import migrations


def test_a_new_database_beside_the_live_one(place: Place) -> None:
    name = place.backup()
    before = hashes(place.target)
    report = place.report("restore", name)
    assert report["swapped"] is False
    assert report["database"].startswith(f"{place.name}_restored_")
    assert place.others() == [report["database"]]
    assert hashes(place.target.on(report["database"])) == before
    into = f"{place.name}_mine"
    place.restore(into=into)
    assert hashes(place.target.on(into)) == before
    with pytest.raises(Refused, match="a restore replaces none"):
        place.restore(into=into)
    with pytest.raises(Refused, match="is the live database"):
        place.restore(into=place.name)
    assert hashes(place.target) == before


@pytest.mark.parametrize("how", [{"jobs": 2}, {"dump_format": "plain"}], ids=["parallel", "plain"])
def test_every_form_of_a_backup(place: Place, how: dict[str, Any]) -> None:
    place.backup(**how)
    before = hashes(place.target)
    place.restore(into=f"{place.name}_mine", jobs=2)
    assert hashes(place.target.on(f"{place.name}_mine")) == before
    assert not list((place.home / "restoring").glob("*"))


def test_an_encrypted_backup_needs_its_key(place: Place, tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{key}\n")
    settings = tmp_path / "config.yaml"
    settings.write_text(f"backup: {{age_recipients: [{key.to_public()}]}}\n")
    name = place.report("backup", "now", env={"REDCLUST_CONFIG": str(settings)})["name"]
    before = hashes(place.target)
    done = place.run("restore", name, check=10)
    assert "is encrypted, and there is no key" in done.stderr
    assert place.others() == []
    with_key = {"REDCLUST_BACKUP__IDENTITY_FILE": str(tmp_path / "key")}
    place.run("restore", name, "--into", f"{place.name}_mine", "--jobs", "2", env=with_key)
    assert hashes(place.target.on(f"{place.name}_mine")) == before


def test_a_backup_elsewhere_by_its_path(place: Place, tmp_path: Path) -> None:
    name = place.backup()
    elsewhere = tmp_path / "elsewhere" / name
    elsewhere.parent.mkdir()
    (place.directory / name).rename(elsewhere)
    with pytest.raises(ArtefactUnusable, match="there is no backup"):
        place.restore()
    place.restore(str(elsewhere), into=f"{place.name}_mine")
    with pytest.raises(ArtefactUnusable, match="no such file"):
        place.restore("./nowhere")


def test_an_older_backup_is_migrated(place: Place, clones: Clones, redclust: Redclust) -> None:
    older = Connector(clones.make(empty=True), place.database.connector.settings, "test")
    with older.connect(bulk=True, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE redclust_migrations (version integer PRIMARY KEY, name text NOT NULL, "
            "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        first = migrations()[0]
        connection.execute(first.text)
        connection.execute("INSERT INTO redclust_migrations VALUES (1, %s, %s)", (first.name, first.checksum))
        connection.execute("INSERT INTO subreddits (name) VALUES ('old')")
    old = Place(Database(older), redclust, place.directory, place.home)
    name = old.backup()
    assert place.restore(name, swap=True).migrated == len(migrations()) - 1
    assert place.ask("SELECT array_agg(name) FROM subreddits") == ["old"]


def test_a_newer_backup_is_refused_before_anything_happens(place: Place) -> None:
    with place.database.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO redclust_migrations VALUES (999, 'later', 'abc')")
    place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM redclust_migrations WHERE version = 999")
    with pytest.raises(SchemaMismatch, match="schema has version 999"):
        place.restore(swap=True)
    assert place.others() == []


def test_other_rows_than_the_manifest_says_are_no_restore(place: Place) -> None:
    """The silent loss of a table: the archive is whole by its hash, and holds less than was counted."""
    name = place.backup()
    file = place.directory / name / manifest.FILE
    made = manifest.decode(file.read_bytes(), name)
    tables = [replace(t, rows=t.rows + 1) if t.name == "posts" else t for t in made.tables]
    file.write_bytes(manifest.encode(replace(made, tables=tuple(tables))))
    before = hashes(place.target)
    done = place.run("restore", "--swap", "--confirm", place.name, check=16)
    assert "public.posts has 3000 instead of 3001" in done.stderr
    assert hashes(place.target) == before
    assert place.others() == []
    assert place.ask("SELECT count(*) FROM crawl_pauses") == 0
    # It is known to be bad from now on.
    with pytest.raises(ArtefactUnusable, match="cannot be used"):
        place.restore(name)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_damaged_archive_is_no_restore(place: Place, jobs: int) -> None:
    name = place.backup()
    archive = next((place.directory / name).glob("archive*"))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    before = hashes(place.target)
    with pytest.raises(ArtefactUnusable, match="is damaged"):
        place.restore(swap=True, jobs=jobs)
    assert hashes(place.target) == before
    assert place.others() == []


def dumped(place: Place, bin_dir: Path | None, *options: str) -> bytes:
    tools = pgtools.find_tools(bin_dir)
    argv = [tools.path("pg_dump"), *options, "--dbname", place.target.url()]
    return subprocess.run(argv, capture_output=True, check=True).stdout


@pytest.mark.parametrize("form", ["-Ft", "-Fp gz", "-Fc zst", "-Fd"])
def test_a_dump_without_a_manifest(place: Place, tmp_path: Path, bin_dir: Path | None, form: str) -> None:
    option, _, packed = form.partition(" ")
    file = tmp_path / "somebody's.dump"
    if option == "-Fd":
        dumped(place, bin_dir, "-Fd", f"--file={file}")
    else:
        content = dumped(place, bin_dir, option)
        content = zstandard.compress(content) if packed == "zst" else content
        file.write_bytes(gzip.compress(content) if packed == "gz" else content)
    with pytest.raises(Refused, match="a dump is code that runs with your rights"):
        place.restore(str(file), swap=True)
    before = hashes(place.target)
    assert place.restore(str(file), trust=True, into=f"{place.name}_mine", jobs=2).compared is False
    assert hashes(place.target.on(f"{place.name}_mine")) == before


def test_a_dump_in_place_of_the_live_database(place: Place, tmp_path: Path, bin_dir: Path | None) -> None:
    (tmp_path / "somebody's.sql").write_bytes(dumped(place, bin_dir, "-Fp"))
    before = hashes(place.target)
    args = ("restore", str(tmp_path / "somebody's.sql"), "--swap", "--confirm", place.name)
    refused = place.run(*args, check=17)
    assert "HINT: add --trust if you know who made it" in refused.stderr
    assert "not compared: it has no manifest" in place.run(*args, "--trust").stdout
    assert hashes(place.target) == before


def test_the_first_error_of_a_script_ends_it(place: Place, tmp_path: Path) -> None:
    script = tmp_path / "dump.sql"
    script.write_text("CREATE TABLE one (id integer);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(ToolError, match='relation "nowhere" does not exist'):
        place.restore(str(script), trust=True)
    assert place.others() == []


def test_a_script_may_not_leave_its_database(place: Place, tmp_path: Path) -> None:
    script = tmp_path / "dump.sql"
    script.write_text(f"SELECT 1;\n\\connect {place.name}\nDROP TABLE comments CASCADE;\n")
    with pytest.raises(Refused, match="changes to another database"):
        place.restore(str(script), trust=True)
    assert place.ask("SELECT count(*) FROM comments") == 8000
    assert place.others() == []


def test_another_systems_dump_does_not_become_live(
    place: Place, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    script = pytestconfig.rootpath / "tests" / "import_" / "older_schema.sql"
    with pytest.raises(SchemaMismatch, match="another system's tables"):
        place.restore(str(script), trust=True, swap=True)
    assert place.others() == []
    place.restore(str(script), trust=True, into=f"{place.name}_older")
    assert place.ask("SELECT count(*) FROM subreddits", f"{place.name}_older") == 4


@pytest.mark.parametrize("content", [b"", zstandard.compress(b"x" * 99)[:-4]], ids=["empty", "cut"])
def test_what_is_no_dump_is_said_to_be_none(place: Place, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dump"
    file.write_bytes(content)
    with pytest.raises((ToolError, ArtefactUnusable)):
        place.restore(str(file), trust=True)
    assert place.others() == []


def test_roles_that_are_missing_are_made_without_passwords(place: Place) -> None:
    with place.database.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE rs_gone LOGIN SUPERUSER PASSWORD 'secret'")
        connection.execute("GRANT SELECT ON posts TO rs_gone")
    name = place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute("DROP OWNED BY rs_gone")
        connection.execute("DROP ROLE rs_gone")
    try:
        place.run("restore", name, "--no-owner", "--into", f"{place.name}_mine")
        assert place.ask("SELECT count(*) FROM pg_roles WHERE rolname = 'rs_gone'") == 0
        report = place.restore(swap=True)
        assert report.notes == ("the role rs_gone was made, without a password, and without superuser",)
        told = place.ask(
            "SELECT array[rolcanlogin::text, rolsuper::text, (rolpassword IS NULL)::text] "
            "FROM pg_authid WHERE rolname = 'rs_gone'"
        )
        assert told == ["true", "false", "true"]
        assert place.ask("SELECT has_table_privilege('rs_gone', 'posts', 'SELECT')")
    finally:
        place.clean()
        with place.database.connect(autocommit=True) as connection:
            connection.execute("DROP OWNED BY rs_gone")
            connection.execute("DROP ROLE rs_gone")


def test_another_collation_is_had_or_told(place: Place) -> None:
    """A copy sorts as its database did; where the server cannot, that is said."""
    name = sql.Identifier(f"{place.name}_icu")
    with place.database.connect(autocommit=True) as connection:
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'").format(
                    name
                )
            )
        except psycopg.Error:
            pytest.skip("this server has no ICU")
    with psycopg.connect(place.target.on(f"{place.name}_icu").conninfo, autocommit=True) as connection:
        for migration in migrations():
            connection.execute(migration.text)
    url = {"DATABASE_URL": place.target.on(f"{place.name}_icu").url()}
    place.run("backup", "now", env=url)
    report = place.report("restore", env=url)
    told = place.ask(f"SELECT datlocprovider FROM pg_database WHERE datname = '{report['database']}'")
    assert (told, report["notes"]) == ("i", [])
