"""`backup now`: what is in a backup, what is said of it, and what keeps it from being made."""

from __future__ import annotations

import hashlib
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_place import Backups

from harness import Clones, settings_for
from natural import digest
from redclust import __version__, pgtools
from redclust.config import Loaded
from redclust.db import history, locks
from redclust.db.connect import Connection, Connector
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.ops.backup import BackupReport, archive, dump, manifest
from redclust.ops.backup.facts import Sized
from redclust.ops.backup.local import LocalStore
from redclust.ops.backup.manifest import Identity, PayloadKind
from redclust.ops.backup.store import Marker
from redclust.ops.backup.watch import Share

NAME = re.compile(r"reddit_cluster_\d{8}_\d{6}")


def restored(place: Path, name: str, clones: Clones, bin_dir: Path | None, tmp_path: Path) -> Database:
    """The backup in a new database, by pg_restore itself, or by psql."""
    made = manifest.decode((place / name / "manifest.json").read_bytes(), name)
    fresh = Connector(clones.make(empty=True), settings_for(bin_dir).database, "test")
    tools = pgtools.find_tools(bin_dir)
    for payload in made.payloads:
        if payload.kind is PayloadKind.ROLES:
            continue
        plain = tmp_path / f"plain-{payload.file}"
        with (place / name / payload.file).open("rb") as raw:
            archive.unpack(raw, payload, plain, what=payload.file)
        if payload.kind is PayloadKind.SCRIPT:
            pgtools.run_script(tools, plain, env=fresh.environment())
        else:
            pgtools.restore(tools, plain, dbname=fresh.target.parameters()["dbname"], env=fresh.environment())
    return Database(fresh)


def test_a_backup_holds_the_database_and_says_what(
    backups: Backups,
    fill: Callable[[int], None],
    connection: Connection,
    database: Database,
    clones: Clones,
    bin_dir: Path | None,
    tmp_path: Path,
) -> None:
    fill(2000)
    connection.execute("CREATE EXTENSION pg_trgm")
    done = backups("now")
    name = backups.names()[0]
    path = backups.place / name
    size = sum(file.stat().st_size for file in path.iterdir() if file.name != "manifest.json")
    assert NAME.fullmatch(name)
    assert f"Backup completed: {path} (size={size} bytes)\n" in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(backups.place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}
    told = backups.manifest(name)
    for payload in told["payloads"]:
        content = (path / payload["file"]).read_bytes()
        assert (payload["size_bytes"], payload["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
    assert {(e["name"]) for e in told["extensions"]} == {"pg_trgm"}
    rows = {table["name"]: table["rows"] for table in told["tables"]}
    assert (rows["posts"], rows["comments"], rows["users"], rows["crawl_jobs"]) == (2000, 6000, 50, 0)
    version = connection.info.parameter_status("server_version") or ""
    assert told["server_version"] == version.split(" ")[0]
    applied = connection.execute("SELECT max(version), count(*) FROM redclust_migrations").fetchone()
    assert told["schema_version"] == (applied or (0,))[0]
    identity = connection.execute(
        "SELECT system_identifier::text, current_database() FROM pg_control_system()"
    )
    assert tuple(told["identity"].values()) == identity.fetchone()
    assert told["redclust_version"] == __version__
    assert told["verified"]["level"] == "read"
    assert digest(restored(backups.place, name, clones, bin_dir, tmp_path)) == digest(database)


def test_rows_are_counted_in_the_snapshot_that_is_dumped(
    make: Callable[..., BackupReport], fill: Callable[[int], None], database: Database, place: Path
) -> None:
    """Reading back compares each table's rows with the count: a writer must not make them differ."""
    fill(3000)
    ended = threading.Event()

    def write() -> None:
        with database.connect(autocommit=True) as writer:
            number = 1_000_000
            while not ended.is_set():
                number += 1
                writer.execute("INSERT INTO users (name) VALUES (%s)", (f"late{number}",))
                writer.execute("DELETE FROM comments WHERE id = %s", (number % 9000,))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        report = make()
    finally:
        ended.set()
        thread.join()
    assert (report.ok, report.level) == (True, "read")


@pytest.mark.parametrize(("level", "file"), [(4, "dump.sql.zst"), (0, "dump.sql")])
def test_a_plain_dump_is_one_that_psql_restores(
    backups: Backups,
    fill: Callable[[int], None],
    connection: Connection,
    database: Database,
    clones: Clones,
    bin_dir: Path | None,
    tmp_path: Path,
    level: int,
    file: str,
) -> None:
    fill(300)
    # What looks like a table's rows, in a function's text.
    connection.execute(
        "CREATE FUNCTION odd() RETURNS text LANGUAGE sql "
        "AS $$SELECT 'x\nCOPY public.posts (id) FROM stdin;\n'$$"
    )
    backups("now", "--dump-format", "plain", check=0, zstd_level=level)
    name = backups.names()[0]
    assert {"manifest.json", "roles.sql", file} == {path.name for path in (backups.place / name).iterdir()}
    assert backups.manifest(name)["verified"]["level"] == "read"
    assert digest(restored(backups.place, name, clones, bin_dir, tmp_path)) == digest(database)


def test_several_jobs_dump_the_same_snapshot(
    make: Callable[..., BackupReport],
    fill: Callable[[int], None],
    database: Database,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(2000)
    monkeypatch.setattr(dump, "_OWN_DUMP_BYTES", 1 << 14)
    report = make(jobs=3)
    made = manifest.decode((place / report.name / "manifest.json").read_bytes(), "it")
    kinds = [payload.kind.value for payload in made.payloads]
    assert kinds == ["archive", "data", "roles"]
    assert (report.ok, report.level) == (True, "read")


def test_a_name_is_never_taken_twice(place: Path) -> None:
    store = LocalStore(place)
    marker = Marker.of(Identity("1", "one"))
    first = store.begin("reddit_cluster_20260101_000000", marker)
    assert first is not None
    with first as draft:
        assert store.begin(draft.name, marker) is None
        draft.complete(b"whole")
    assert store.begin("reddit_cluster_20260101_000000", marker) is None
    assert [found.name for found in store.scan()] == ["reddit_cluster_20260101_000000"]


def test_what_would_not_restore_is_said(
    backups: Backups, fill: Callable[[int], None], connection: Connection
) -> None:
    fill(100)
    connection.execute("CREATE TABLE parents (id integer PRIMARY KEY)")
    connection.execute("CREATE TABLE children (a integer CONSTRAINT to_parent REFERENCES parents)")
    connection.execute("CREATE UNLOGGED TABLE passing (a integer)")
    connection.execute("CREATE INDEX broken ON children (a)")
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
    connection.execute("ALTER TABLE children ADD CONSTRAINT later CHECK (a > 0) NOT VALID")
    sound = backups("now")
    for told in (
        "invalid index: public.broken",
        "unlogged table",
        "constraint never validated: later of children",
    ):
        assert f"note: {told}" in sound.stdout
    connection.execute("SET session_replication_role = replica")
    connection.execute("INSERT INTO children VALUES (7), (8), (NULL)")
    partial = backups("now", check=3)
    assert "WARNING: 2 rows break the foreign key to_parent of public.children" in partial.stdout
    assert "Backup completed: " in partial.stdout
    assert any("to_parent" in text for text in backups.manifest(backups.names()[-1])["warnings"])


def test_one_at_a_time(backups: Backups, database: Database) -> None:
    with locks.hold(database.connector, LockName.OPERATIONS):
        locked = backups("now", check=13)
    assert "locked by another run: redclust test" in locked.stderr
    assert "since" in locked.stderr
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True):
        with locks.hold(database.connector, LockName.BACKUP):
            assert "backing up is locked" in backups("now", check=13).stderr
        backups("now")
    with locks.hold(database.connector, LockName.BACKUP):
        process = backups.redclust.start("backup", "now", "--lock-wait", "1m", env=backups.environment())
        assert process.stderr is not None
        told = next(line for line in process.stderr if "waits for" in line)
        assert "redclust test" in told
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, "Backup completed" in out) == (0, True)


def test_a_table_that_somebody_keeps_locked(backups: Backups, database: Database) -> None:
    with database.connect(role="holder") as holder:
        holder.execute("LOCK TABLE posts")
        locked = backups("now", check=13, table_lock_wait="0.4s")
    assert "a table is locked by another session" in locked.stderr
    assert "redclust test holder (server process" in locked.stderr
    assert "posts" in locked.stderr
    assert backups.names() == []


def test_quiet_says_nothing_and_the_history_remembers(backups: Backups, connection: Connection) -> None:
    done = backups("now", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    last = history.newest(connection, "backup now")[0]
    assert (last.verdict, last.figures["name"]) == ("ok", backups.names()[0])


def test_json_says_all_of_it(backups: Backups) -> None:
    report = backups.report("now")
    assert report["schema"] == "redclust.backup.now/1"
    assert (report["ok"], report["level"], report["encrypted"]) == (True, "read", False)
    assert report["tidy"]["removed"] == []
    assert backups.report("now", "--no-tidy")["tidy"] is None


def test_too_little_room_is_said_with_numbers(
    loaded: Loaded,
    make: Callable[..., BackupReport],
    fill: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(500)
    monkeypatch.setattr(LocalStore, "free_bytes", lambda self: 12_345)  # type: ignore[misc]
    with pytest.raises(Exception, match=r"about \d+ bytes are needed .* 12345 are free"):
        make()


def test_progress_knows_tables_that_were_never_counted() -> None:
    """reltuples is -1 there: a share of it would be negative, and of more than all."""
    never, counted = Sized("s", "never", 1000, "p", -1, 1), Sized("s", "counted", 3000, "p", 100, 2)
    share = Share([never, counted])
    assert share.total == 4000
    assert share.see({}) == (0, "")
    assert share.see({1: (10_000, 400)}) == (400, "never")
    assert share.see({1: (99_999, 5_000)}) == (1000, "never")
    assert share.see({2: (50, 1)}) == (1000 + 1500, "counted")
    assert share.see({2: (150, 1), 99: (1, 1)}) == (1000 + 3000, "counted")
    assert share.see({}) == (4000, "")


def test_a_shrunken_database_is_backed_up_and_nothing_goes(
    backups: Backups,
    make: Callable[..., BackupReport],
    fill: Callable[[int], None],
    connection: Connection,
) -> None:
    fill(200)
    for _ in range(2):
        make(tidy=False)
    connection.execute("TRUNCATE comments")
    connection.execute("DELETE FROM posts")
    done = backups("now", check=3, keep=2)
    assert "Backup completed" in done.stdout
    assert "less than half of the" in done.stdout
    assert len(backups.names()) == 3
