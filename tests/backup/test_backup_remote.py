"""Backups behind a URL: the same guarantees, also when the connection is cut in the middle of an upload."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from backup_place import Backups, loaded_for
from psycopg import sql
from s3_server import Proxy, s3_server

from harness import Redclust, maintenance, wait_until
from redclust import config
from redclust.config import Loaded
from redclust.db.databases import name_of
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, ConfigError, Refused
from redclust.ops import backup, restore
from redclust.ops.backup import places, signed
from redclust.ops.backup.manifest import Identity, Level
from redclust.ops.backup.store import MARKER, Marker, Store
from redclust.ops.restore import Request
from redclust.report import Silent

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cret-key", "AWS_DEFAULT_REGION": "us-east-1"}


def never(brake: str) -> None:
    raise Refused(brake)


@pytest.fixture(scope="module")
def s3() -> Iterator[Proxy]:
    before = dict(os.environ)
    # One try a request: what is cut stays cut, quickly.
    os.environ.update(KEYS, AWS_MAX_ATTEMPTS="1")
    with s3_server() as proxy:
        yield proxy
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def bucket(s3: Proxy, request: pytest.FixtureRequest) -> str:
    """A bucket of this test's own."""
    import boto3

    name = "maps-" + request.node.name.replace("_", "-")[5:50].strip("-")
    client: Any = boto3.client("s3", endpoint_url=s3.url)
    client.create_bucket(Bucket=name)
    s3.reset()
    return name


@pytest.fixture
def far(redclust: Redclust, place: Path, s3: Proxy, bucket: str) -> Backups:
    settings = {
        "REDCLUST_BACKUP__TARGET": f"s3://{bucket}/one map",
        "REDCLUST_BACKUP__TARGET_OPTIONS": f"endpoint_url={s3.url}",
    }
    return Backups(redclust, place, settings)


@pytest.fixture
def far_loaded(database: Database, s3: Proxy, bucket: str, work_dir: Path, bin_dir: Path | None) -> Loaded:
    options = {"endpoint_url": s3.url}
    return loaded_for(database, f"s3://{bucket}/one map", work_dir, bin_dir, target_options=options)


@pytest.fixture
def store(far_loaded: Loaded) -> Store:
    return places.store(far_loaded)


@contextmanager
def others(database: Database) -> Generator[Callable[[], list[str]]]:
    """What lists the databases made beside this one; they are dropped at the end."""
    stem = f"{name_of(database.connector)}\\_%"

    def found() -> list[str]:
        with maintenance(database.target) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (stem,))
            return sorted(str(name) for (name,) in rows)

    try:
        yield found
    finally:
        with maintenance(database.target) as connection:
            for name in found():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def make(loaded: Loaded) -> str:
    report = backup.make(loaded, backup.Options(), Silent())
    assert report.level == "read"
    return report.name


def test_everything_works_far_away(
    far: Backups, far_loaded: Loaded, fill: Callable[[int], None], bucket: str, tmp_path: Path
) -> None:
    fill(1000)
    done = far("now")
    first = backup.ls(far_loaded).latest
    assert first is not None
    assert f"Backup completed: s3://{bucket}/one map/{first} (size=" in done.stdout
    second = make(far_loaded)
    listed = backup.ls(far_loaded)
    assert listed.latest == second
    assert {line.name: line.state for line in listed.backups} == {first: "read", second: "read"}
    assert backup.check(far_loaded, Silent(), name=None, every=True, level=Level.READ).ok
    copied = backup.download(far_loaded, "latest", tmp_path / "here", Silent())
    files = {path.name for path in Path(copied.path).iterdir()}
    assert files == {"archive.dump.zst", "manifest.json", "roles.sql"}
    assert backup.snapshot(far_loaded, tmp_path / "all.tar", Silent()).backups == (second, first)
    backup.pin(far_loaded, first)
    assert backup.tidy(far_loaded, keep=1, dry_run=False, approve=never).removed == ()
    backup.unpin(far_loaded, first)
    removed = backup.tidy(far_loaded, keep=1, dry_run=False, approve=never).removed
    assert [one.name for one in removed] == [first]
    assert [found.name for found in places.store(far_loaded).scan()] == [second]
    drilled = restore.drill(far_loaded, None, Silent())
    assert (drilled.name, drilled.ok) == (second, True)
    assert backup.ls(far_loaded).backups[0].state == "restored"


def test_a_connection_cut_in_the_middle_of_an_upload(
    far: Backups, far_loaded: Loaded, s3: Proxy, fill: Callable[[int], None]
) -> None:
    good = make(far_loaded)
    fill(5000)
    s3.victim = b"archive.dump"
    failed = far("now", check=1)
    assert s3.made > 1, "it was tried again"
    assert "archive.dump.zst failed: " in failed.stderr
    assert "s3cret-key" not in failed.stderr
    listed = backup.ls(far_loaded)
    assert {line.name: line.state for line in listed.backups} == {good: "read"}
    assert backup.check(far_loaded, Silent(), name=None, every=True, level=Level.READ).ok
    # Cut once, it is tried again; what is called done has been read back.
    s3.cuts, s3.made = 1, 0
    make(far_loaded)
    assert s3.made == 1


def test_a_restore_from_far_away(
    far: Backups, far_loaded: Loaded, database: Database, fill: Callable[[int], None], bucket: str
) -> None:
    fill(1000)
    made = make(far_loaded)
    live = name_of(database.connector)
    with database.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE comments")
    with others(database):
        # More than one job needs the whole archive on this machine, and it is counted.
        request = Request("latest", f"{live}_2", jobs=2)
        with restore.prepare(far_loaded, request, Silent()) as prepared:
            plan = prepared.plan
            assert (plan.source, plan.backup_state) == (f"s3://{bucket}/one map/{made}", "read")
            assert [one.what for one in plan.space] == ["the server's data", "the unpacked archive"]
            assert prepared.run().compared
        done = far.redclust(
            *("restore", "--swap", "--terminate", "--confirm", live, "--format", "json"), env=far.settings
        )
        report = json.loads(done.stdout)
        assert report["swapped"]
        assert report["safety_backup"].startswith(f"s3://{bucket}/")
        with database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM comments").fetchone()
        assert row == (3000,)
    verified = restore.verify(far_loaded, Silent(), name=made, every=False)
    assert (verified.ok, verified.results[0].level) == (True, "restore")
    states = {line.name: line.state for line in backup.ls(far_loaded).backups}
    assert states[made] == "restored"


def test_what_happens_in_the_middle_of_a_restore_from_far_away(
    far: Backups,
    far_loaded: Loaded,
    database: Database,
    s3: Proxy,
    fill: Callable[[int], None],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(8000)
    made = make(far_loaded)
    live = name_of(database.connector)
    s3.victim, s3.reads = b"archive.dump", True
    with others(database) as made_beside:
        # A connection that breaks is tried again; one that always breaks says nothing against the backup.
        s3.cuts = 1
        with restore.prepare(far_loaded, Request("latest", f"{live}_2"), Silent()) as prepared:
            assert prepared.run().compared
        assert s3.made == 1
        s3.cuts, s3.made = None, 0
        done = far.redclust("restore", "--into", f"{live}_3", env=far.settings, check=1)
        assert f"{made}/archive.dump.zst failed: " in done.stderr
        assert "s3cret-key" not in done.stderr
        assert backup.ls(far_loaded).latest == made
        # The file goes while it is read: exit 16, and the backup is used no more.
        monkeypatch.setattr("redclust.ops.backup.remote._READ_BYTES", 1 << 18)
        s3.instead, s3.cuts, s3.made = lambda: store.delete(made, "archive.dump.zst"), 1, 0
        request = Request("latest", swap=True, terminate=True)
        with (
            restore.prepare(far_loaded, request, Silent()) as prepared,
            pytest.raises(ArtefactUnusable, match=rf"{made}/archive\.dump\.zst is missing"),
        ):
            prepared.run()
        assert s3.made == 1
        assert made_beside() == [f"{live}_2"]
        assert backup.ls(far_loaded).latest != made


def test_killed_in_the_middle_of_an_upload(
    far: Backups, far_loaded: Loaded, store: Store, fill: Callable[[int], None]
) -> None:
    fill(1000)
    process = far.redclust.start("backup", "now", env=far.environment())
    wait_until(lambda: bool(store.scan()), "it has begun")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    lines = backup.ls(far_loaded).backups
    assert {line.state for line in lines} <= {"partial", "read"}
    for line in lines:
        if line.state == "read":  # the kill came too late
            assert backup.check(far_loaded, Silent(), name=line.name, every=False, level=Level.READ).ok


def test_a_name_is_never_taken_twice_far_away(store: Store) -> None:
    marker = Marker.of(Identity("1", "one"))
    opened = store.begin("reddit_cluster_20260101_000000", marker)
    assert opened is not None
    with opened as draft:
        assert store.begin(draft.name, marker) is None
        with draft.create("archive.dump.zst") as file:
            file.write(b"x" * 100)
        draft.complete(b"manifest")
    assert store.begin("reddit_cluster_20260101_000000", marker) is None
    (found,) = store.scan()
    assert set(found.files or ()) == {"archive.dump.zst", "manifest.json"}


def test_what_is_not_complete_is_nothing(store: Store) -> None:
    opened = store.begin("reddit_cluster_20260101_000000", Marker.of(Identity("1", "one")))
    assert opened is not None
    with suppress(ZeroDivisionError), opened as draft, draft.create("archive.dump.zst") as file:
        file.write(os.urandom(40 << 20))  # more than one part
        raise ZeroDivisionError
    assert store.scan() == []


def test_dead_uploads_go_after_a_day(
    far_loaded: Loaded, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(far_loaded)
    own = places.ours(far_loaded)
    (identity,) = own.identities
    marker = replace(Marker.of(identity), at=Marker.of(identity).at - timedelta(days=2))
    for name, who in (("reddit_cluster_20250101_000000", marker), ("reddit_cluster_20250102_000000", None)):
        marker = who or replace(marker, identity=Identity("1", "other"))
        store.put(name, MARKER, signed.encode(marker))
        store.put(name, "archive.dump.zst", b"half")
    assert backup.tidy(far_loaded, keep=7, dry_run=True, approve=never).removed == (), "written just now"
    monkeypatch.setattr("redclust.ops.backup.tidying._DEAD_AFTER", timedelta(seconds=0))
    time.sleep(1)  # times of S3 are whole seconds
    removed = backup.tidy(far_loaded, keep=7, dry_run=False, approve=never).removed
    assert [one.name for one in removed] == ["reddit_cluster_20250101_000000"]
    assert {one.name for one in store.scan()} == {made, "reddit_cluster_20250102_000000"}


def test_a_url_nobody_has_a_driver_for(tmp_path: Path) -> None:
    def at(target: str) -> Store:
        return places.store(config.load(home=tmp_path, flags={"backup": {"target": target}}))

    with pytest.raises(ConfigError, match=r"backup\.target nonsense://here cannot be understood"):
        at("nonsense://here")
    with pytest.raises(ConfigError, match="needs a driver") as caught:
        at("gs://user:pass@here")
    assert "pass" not in str(caught.value)
    assert places.store(config.load(home=tmp_path)).describe() == str(tmp_path / "backups")
