"""What lies at a place of backups, and whose it is: listed as what it is, and never taken for another's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from backup_place import Backups, loaded_for
from rich.console import Console

from harness import Clones, Redclust, kill_server, open_directory, settings_for
from redclust import config
from redclust.config import Loaded
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.errors import ArtefactUnusable, DatabaseUnreachable, Locked, Refused
from redclust.ops import backup
from redclust.ops.backup import BackupReport, Options, evidence, manifest, signed
from redclust.ops.backup.catalog import Ours, read
from redclust.ops.backup.evidence import Check, Evidence
from redclust.ops.backup.local import LocalStore
from redclust.ops.backup.manifest import Identity, Level
from redclust.ops.backup.store import Marker
from redclust.render.backup import show as render
from redclust.report import Silent

NOW = datetime.now(UTC)


def never(brake: str) -> None:
    raise Refused(brake)


def states(loaded: Loaded) -> dict[str, str]:
    return {line.name: line.state for line in backup.ls(loaded).backups}


def age_by(path: Path, days: float) -> None:
    """Make a file or directory look as old as that."""
    then = (NOW - timedelta(days=days)).timestamp()
    for inner in (*path.iterdir(), path) if path.is_dir() else (path,):
        os.utime(inner, (then, then))


@pytest.fixture(scope="module")
def database(server: Target, bin_dir: Path | None) -> Iterator[Database]:
    """One for all tests of this file: they change what lies at the place, and no row."""
    clones = Clones(server, [])
    yield Database(Connector(clones.make(), settings_for(bin_dir).database, "test"))
    clones.drop()


@pytest.fixture(scope="module")
def made(database: Database, work_dir: Path, bin_dir: Path | None) -> Iterator[Path]:
    """The directory of a good backup, which every test has a copy of."""
    base = open_directory(work_dir)
    loaded = loaded_for(database, base / "backups", work_dir, bin_dir)
    yield base / "backups" / backup.make(loaded, Options(), Silent()).name
    shutil.rmtree(base)


@pytest.fixture
def one(made: Path, place: Path) -> Path:
    """The directory of a good backup."""
    shutil.copytree(made.parent, place)
    return place / made.name


def again(one: Path, name: str, *, days: float = 0, **changed: object) -> Path:
    """A copy of a backup that is one of its own: with another name, moment or identity."""
    copy = one.with_name(name)
    shutil.copytree(one, copy)
    made = manifest.decode((one / manifest.FILE).read_bytes(), "it")
    moment = replace(made.moment, at=made.moment.at - timedelta(days=days))
    made = replace(made, name=name, moment=moment, **changed)  # type: ignore[arg-type]
    (copy / manifest.FILE).write_bytes(manifest.encode(made))
    return copy


def test_everything_is_listed_as_what_it_is(one: Path, place: Path, loaded: Loaded) -> None:
    (place / "notes.txt").write_text("mine")
    (place / "pictures").mkdir()
    (place / "pictures" / "cat.jpg").write_bytes(b"cat")
    shutil.copytree(one, place / "copy_of_it")
    no_manifest = again(one, "reddit_cluster_20250101_000000")
    (no_manifest / manifest.FILE).unlink()
    (place / "reddit_cluster_20250102_000000.partial").mkdir()
    cut = again(one, "reddit_cluster_20250103_000000")
    (cut / manifest.FILE).write_bytes((cut / manifest.FILE).read_bytes()[:-1])
    found = states(loaded)
    assert found == {
        one.name: "read",
        "notes.txt": "foreign",
        "pictures": "foreign",
        "copy_of_it": "foreign",
        no_manifest.name: "broken",
        "reddit_cluster_20250102_000000.partial": "partial",
        cut.name: "broken",
    }
    lines = {line.name: line for line in backup.ls(loaded).backups}
    assert lines["copy_of_it"].problem == f"a copy of {one.name} under another name"
    assert "manifest.json is missing" in lines[no_manifest.name].problem
    assert "cut off" in lines[cut.name].problem
    # A name is to be copied: it is whole on every terminal.
    for width in (80, 150):
        shown = StringIO()
        render(backup.ls(loaded), Console(file=shown, width=width))
        lines_shown = shown.getvalue().splitlines()
        assert any(line.startswith(f"{one.name} ") and " read " in line for line in lines_shown)
        assert max(map(len, lines_shown)) <= width
        assert f"a copy of {one.name}" in " ".join(shown.getvalue().split())


@pytest.mark.parametrize("fault", ["emptied", "short by a byte", "cut in half", "deleted", "longer"])
def test_a_damaged_file_is_seen_in_the_listing_and_never_used(
    one: Path, place: Path, loaded: Loaded, fault: str
) -> None:
    for original in sorted(file.name for file in one.iterdir()):
        bad = again(one, "reddit_cluster_20990101_000000", days=-1)
        file = bad / original
        content = file.read_bytes()
        if fault == "deleted":
            file.unlink()
        else:
            kept = {"emptied": 0, "short by a byte": -1, "cut in half": len(content) // 2}
            file.write_bytes(content + b"\n" if fault == "longer" else content[: kept[fault]])
        report = backup.ls(loaded)
        assert {line.name: line.state for line in report.backups}[bad.name] == "broken", original
        assert (report.ok, report.latest) == (False, one.name)
        for level in (Level.HASH, Level.READ):
            result = backup.check(loaded, Silent(), name=bad.name, every=False, level=level)
            assert (result.ok, result.exit_code) == (False, 16), original
        with pytest.raises(ArtefactUnusable, match="cannot be used"):
            backup.pin(loaded, bad.name)
        shutil.rmtree(bad)


def test_a_check_that_failed_counts_until_one_of_its_level_passes(one: Path, loaded: Loaded) -> None:
    archive = one / "archive.dump.zst"
    good = archive.read_bytes()
    archive.write_bytes(bytes([good[0] ^ 1]) + good[1:])

    def check(level: Level) -> bool:
        return backup.check(loaded, Silent(), name=one.name, every=False, level=level).ok

    assert states(loaded) == {one.name: "read"}
    assert not check(Level.READ)
    assert states(loaded) == {one.name: "broken"}
    archive.write_bytes(good)
    assert check(Level.HASH)
    assert states(loaded) == {one.name: "broken"}, "it was found that pg_restore could not read it"
    assert check(Level.READ)
    assert states(loaded) == {one.name: "read"}


def test_evidence_is_judged_by_level_and_time() -> None:
    def check(level: Level, ok: bool, minute: int) -> Check:
        return Check(level, ok, NOW + timedelta(minutes=minute), 1.0)

    bad = check(Level.READ, False, 1)
    for others, stands in (
        ((), True),
        ((check(Level.HASH, True, 2),), True),
        ((check(Level.RESTORE, True, 0),), True),
        ((check(Level.RESTORE, True, 2),), False),
        ((check(Level.READ, True, 2),), False),
    ):
        assert (Evidence((bad, *others)).failed == bad) is stands, others


def test_latest_is_the_newest_verified_of_this_database(
    one: Path, loaded: Loaded, make: Callable[..., BackupReport]
) -> None:
    again(one, "reddit_cluster_20990101_000000", days=-2, verified=None)
    again(one, "reddit_cluster_20990102_000000", days=-3, identity=Identity("1", "reddit_cluster"))
    again(one, "reddit_cluster_20990103_000000", days=-1)
    report = backup.ls(loaded)
    assert report.latest == "reddit_cluster_20990103_000000"
    assert states(loaded)["reddit_cluster_20990101_000000"] == "dumped"
    others = {line.name: line.database for line in report.backups if line.database}
    assert others == {"reddit_cluster_20990102_000000": "reddit_cluster of server 1"}


def test_two_maps_share_a_directory(
    make: Callable[..., BackupReport],
    loaded: Loaded,
    place: Path,
    clones: Clones,
    work_dir: Path,
    bin_dir: Path | None,
) -> None:
    other = Database(Connector(clones.make(), settings_for(bin_dir).database, "test"))
    other_loaded = loaded_for(other, place, work_dir, bin_dir, keep=1)
    mine = [make(tidy=False).name for _ in range(3)]
    theirs = backup.make(other_loaded, Options(), Silent())
    assert backup.ls(loaded).latest == mine[-1]
    assert backup.ls(other_loaded).latest == theirs.name
    assert {e.name for e in backup.ls(other_loaded).backups if e.own} == {theirs.name}
    tidied = backup.tidy(other_loaded, keep=1, dry_run=False, approve=never)
    assert (tidied.removed, tidied.ignored) == ((), 3)
    assert sorted(path.name for path in place.iterdir()) == sorted([*mine, theirs.name])
    # Only by its name is another's taken.
    assert backup.check(loaded, Silent(), name=theirs.name, every=False, level=Level.HASH).ok


def test_the_database_may_be_down(redclust: Redclust, home: Path, bin_dir: Path | None) -> None:
    first = redclust("backup", "now", home=home, check=0)
    name = first.stdout.split("/backups/")[1].split(" ")[0]
    kill_server(home)
    assert name in redclust("backup", "ls", home=home, check=0).stdout
    loaded = config.load(home=home, flags={"database": {"bin_dir": bin_dir}})
    assert backup.status(loaded, max_age_s=3600).ok
    assert backup.check(loaded, Silent(), name=None, every=True, level=Level.READ).ok
    assert backup.tidy(loaded, keep=7, dry_run=False, approve=never).removed == ()
    assert backup.pin(loaded, "latest").name == backup.unpin(loaded, "latest").name == name
    shutil.rmtree(home / "postgres" / "data")
    assert backup.ls(loaded).latest == name
    assert (home / "backups" / name / manifest.FILE).exists()


def test_an_external_database_that_is_down(
    one: Path, place: Path, database: Database, loaded: Loaded
) -> None:
    """Then its own backups are those from the same address; tidy wants to know it better."""
    parameters = database.target.parameters()
    source = f"host={parameters['host']} port=5432 database={parameters['dbname']}"
    assert read(LocalStore(place), Ours(frozenset(), source)).choose().name == one.name
    with pytest.raises(ArtefactUnusable, match="no backup of this database"):
        read(LocalStore(place), Ours(frozenset(), source.replace("5432", "5433"))).choose()
    flags = {"database": {"url": f"{database.target.conninfo} port=1"}, "backup": {"target": str(place)}}
    with pytest.raises(DatabaseUnreachable, match="which backups are its own is not known"):
        backup.tidy(config.load(home=loaded.home, flags=flags), keep=1, dry_run=False, approve=never)


def test_tidy_keeps_counts_and_leaves_what_is_not_its_own(one: Path, place: Path, loaded: Loaded) -> None:
    names = [f"reddit_cluster_202501{n:02}_000000" for n in range(1, 12)]
    for number, name in enumerate(names):
        again(one, name, days=20 - number)
    backup.pin(loaded, names[0], reason="the first")
    (place / names[1] / "roles.sql").write_text("damaged")
    again(one, "reddit_cluster_20250301_000000", days=30, identity=Identity("1", "other"))
    again(one, "reddit_cluster_20250302_000000", days=31, verified=None)
    (place / "notes.txt").write_text("mine")
    before = set(states(loaded))
    planned = backup.tidy(loaded, keep=7, dry_run=True, approve=never)
    assert set(states(loaded)) == before
    done = backup.tidy(loaded, keep=7, dry_run=False, approve=never)
    gone = {removed.name for removed in done.removed}
    assert gone == {removed.name for removed in planned.removed} == set(names[2:5])
    assert before - set(states(loaded)) == gone
    assert {kept.name for kept in done.kept} == {one.name, names[0], *names[5:]}
    assert {kept.name: kept.reasons for kept in done.kept}[names[0]] == ("pinned",)
    assert done.freed_bytes > 0


def test_the_brake_refuses_and_yes_goes_on(one: Path, backups: Backups) -> None:
    for number in range(5):
        again(one, f"reddit_cluster_2025010{number}_000000", days=number + 1)
    refused = backups("tidy", "--keep", "1", check=17)
    assert "5 of 6 verified backups would go" in refused.stderr
    assert "--yes" in refused.stderr
    assert len(backups.names()) == 6
    shown = backups.report("tidy", "--keep", "1", "--dry-run", check=3, fresh=True)
    assert (len(shown["removed"]), shown["dry_run"]) == (5, True)
    assert backups.report("tidy", "--keep", "1", "--yes")["brake"] == ""
    assert backups.names() == [one.name]


def test_unfinished_ones_go_after_a_day_and_only_ours(one: Path, place: Path, loaded: Loaded) -> None:
    identity = manifest.decode((one / manifest.FILE).read_bytes(), "it").identity
    cases = {"old": (identity, 2.0), "young": (identity, 0.5), "theirs": (Identity("1", "other"), 2.0)}
    for number, (who, days) in enumerate(cases.values()):
        directory = place / f"reddit_cluster_2025010{number}_000000.partial"
        directory.mkdir()
        marker = replace(Marker.of(who), at=NOW - timedelta(days=days))
        (directory / "partial.json").write_bytes(signed.encode(marker))
        (directory / "archive.dump.zst").write_bytes(b"half")
        age_by(directory, days)
    unmarked = place / "reddit_cluster_20250109_000000.partial"
    unmarked.mkdir()
    age_by(unmarked, 2)
    done = backup.tidy(loaded, keep=7, dry_run=False, approve=never)
    assert [(r.name, r.state) for r in done.removed] == [
        ("reddit_cluster_20250100_000000.partial", "partial")
    ]
    assert len(states(loaded)) == 4


def test_what_is_being_read_is_not_removed(one: Path, place: Path, loaded: Loaded) -> None:
    old = again(one, "reddit_cluster_20250101_000000", days=3)
    with LocalStore(place).reading(old.name):
        held = backup.tidy(loaded, keep=1, dry_run=False, approve=never)
    assert (held.removed, len(held.left)) == ((), 1)
    assert "is in use" in held.left[0]
    assert old.exists()
    assert len(backup.tidy(loaded, keep=1, dry_run=False, approve=never).removed) == 1


def test_a_damaged_pin_still_pins(one: Path, place: Path, loaded: Loaded) -> None:
    old = again(one, "reddit_cluster_20250101_000000", days=3)
    backup.pin(loaded, old.name)
    pin = old / evidence.PIN_FILE
    pin.write_bytes(pin.read_bytes()[:-3])
    assert backup.tidy(loaded, keep=1, dry_run=False, approve=never).removed == ()
    line = next(line for line in backup.ls(loaded).backups if line.name == old.name)
    assert (line.pinned, line.state) == (True, "read")
    assert "pinned.json" in line.problem


def test_seven_failures_after_one_good(
    backups: Backups, database: Database, one: Path, place: Path, work_dir: Path, bin_dir: Path | None
) -> None:
    impatient = loaded_for(database, place, work_dir, bin_dir, table_lock_wait="0.05s")
    with database.connect() as holder:
        holder.execute("LOCK TABLE posts")
        for _ in range(7):
            with pytest.raises(Locked):
                backup.make(impatient, Options(), Silent())
    assert backups.names() == [one.name]
    assert backup.ls(impatient).latest == one.name
    status = backups.report("status", check=3, fresh=True)
    assert (status["latest"], status["failures"]["count"]) == (one.name, 7)
    assert "7 runs in a row failed since, the last at " in status["problems"][0]
    assert "a table is locked by another session" in status["problems"][0]
    backup.make(impatient, Options(), Silent())
    assert backup.status(impatient).problems == ()


def test_status_is_about_age(one: Path, backups: Backups) -> None:
    assert backups.report("status", "--max-age", "1h")["ok"]
    old = again(one, "reddit_cluster_20250101_000000", days=3)
    shutil.rmtree(one)
    told = backups("status", "--max-age", "26h", check=3)
    assert "the newest verified backup is 3d" in told.stdout
    shutil.rmtree(old)
    assert "there is no backup" in backups("status", check=3).stdout


def test_a_manifest_keeps_what_a_later_version_adds(one: Path) -> None:
    raw = (one / manifest.FILE).read_bytes()
    made = manifest.decode(raw, "it")
    assert manifest.encode(made) == raw
    newer = json.loads(raw)
    del newer["sha256"]
    with_more = signed.encode({**newer, "invented": {"later": 1}})
    assert manifest.decode(with_more, "it") == made
    with pytest.raises(ArtefactUnusable, match="has format 2, this redclust knows 1"):
        manifest.decode(signed.encode({**newer, "format": 2}), "it")
