"""What may happen to a backup while it is made and afterwards; each time it is said what is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from backup_place import Backups, loaded_for

from harness import Redclust, own_server, rounds, settings_for, small_file_system, wait_until
from redclust.config import Loaded
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, RedclustError, ToolError
from redclust.ops import backup
from redclust.ops.backup import BackupReport, Options, local, readback
from redclust.ops.backup.manifest import Level
from redclust.report import Silent


def pg_dumps(database: Database) -> list[int]:
    """The pg_dump processes of this test's database."""
    # Runs beside this one have databases of the same name, on servers of their own.
    named = database.target.parameters()
    own = {f"PGDATABASE={named['dbname']}".encode(), f"PGHOST={named['host']}".encode()}
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            is_dump = entry.name.isdigit() and b"pg_dump" in (entry / "cmdline").read_bytes().split(b"\0")[0]
            if is_dump and own <= set((entry / "environ").read_bytes().split(b"\0")):
                found.append(int(entry.name))
    return found


def never_a_false_backup(loaded: Loaded, good: list[str]) -> None:
    """Everything that is listed as a backup is one, and the good ones are there."""
    lines = backup.ls(loaded).backups
    whole = {line.name for line in lines if line.state == "read"}
    assert set(good) <= whole
    assert {line.state for line in lines} <= {"read", "partial", "foreign"}
    checked = backup.check(loaded, Silent(), name=None, every=True, level=Level.READ)
    assert checked.ok
    assert {result.name for result in checked.results} == whole


@contextmanager
def stalled_dump(database: Database) -> Generator[None]:
    """pg_dump waits for a table that the rest of a backup does not need, until the block ends."""
    with database.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS parted (a integer) PARTITION BY RANGE (a)")
    with database.connect(role="holder") as holder:
        holder.execute("LOCK TABLE parted")
        yield


@pytest.fixture
def busy(fill: Callable[[int], None]) -> None:
    fill(20_000)


@pytest.mark.parametrize("seed", rounds(2, 30))
def test_killed_at_any_moment(
    backups: Backups, busy: None, database: Database, loaded: Loaded, seed: int
) -> None:
    good = [backup.make(loaded, Options(), Silent()).name]
    process = backups.redclust.start("backup", "now", env=backups.environment())
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=random.Random(seed).uniform(0.2, 2.0))
    process.kill()
    process.communicate()
    wait_until(lambda: not pg_dumps(database), "its pg_dump ends with it")
    never_a_false_backup(loaded, good)
    # What is left keeps the next one from nothing.
    backup.make(loaded, Options(lock_wait_s=20), Silent())


@pytest.mark.parametrize("seed", rounds(2, 30))
def test_pg_dump_killed_at_any_moment(backups: Backups, busy: None, database: Database, seed: int) -> None:
    process = backups.redclust.start("backup", "now", env=backups.environment())
    chance = random.Random(seed)
    wait_until(lambda: bool(pg_dumps(database)) or process.poll() is not None, "pg_dump runs")
    time.sleep(chance.uniform(0, 0.3))
    killed = False
    for pid in pg_dumps(database):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed = True
    out, err = process.communicate(timeout=60)
    if killed and process.returncode != 0:
        assert process.returncode == 14, err
        assert "pg_dump was ended by SIGKILL" in err
        assert backups.names() == []
    else:  # it had given everything already
        assert process.returncode == 0, err
        assert "Backup completed" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_signal_leaves_nothing(backups: Backups, database: Database, number: signal.Signals) -> None:
    with stalled_dump(database):
        process = backups.redclust.start("backup", "now", env=backups.environment())
        wait_until(lambda: bool(waiting(database)), "pg_dump waits for the table")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == ({signal.SIGTERM: 143, signal.SIGINT: 130}[number], "")
    assert "Traceback" not in err
    assert backups.names() == []
    wait_until(lambda: not pg_dumps(database), "its pg_dump has ended")


def waiting(database: Database) -> list[tuple[object, ...]]:
    with database.connect(autocommit=True) as connection:
        return connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchall()


@pytest.fixture
def small_disk(place: Path) -> Iterator[Callable[[int], Path]]:
    """``small_disk(bytes)``: a file system of that size at the place of backups."""
    with ExitStack() as stack:

        def mount(size_bytes: int) -> Path:
            place.mkdir(mode=0o700)
            return stack.enter_context(small_file_system(place, size_bytes))

        yield mount


def test_a_full_disk_in_the_dump(
    backups: Backups,
    fill: Callable[[int], None],
    small_disk: Callable[[int], Path],
    loaded: Loaded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_disk(1 << 20)
    fill(15_000)
    told = backups("now", check=1)
    assert "not enough space" in told.stderr
    assert backups.names() == []
    monkeypatch.setattr(local.LocalStore, "free_bytes", lambda self: None)  # type: ignore[misc]
    with pytest.raises(RedclustError, match=r"No space left on device: .*archive\.dump\.zst"):
        backup.make(loaded, Options(), Silent())
    assert backups.names() == []


def test_a_full_disk_in_the_manifest(
    backups: Backups, small_disk: Callable[[int], Path], loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is filled by somebody else between the last payload and the manifest."""
    place = small_disk(1 << 20)
    good = backup.make(loaded, Options(), Silent()).name
    real = readback.check

    def check_and_fill(*args: object, **kwargs: object) -> float:
        seconds = real(*args, **kwargs)  # type: ignore[arg-type]
        with suppress(OSError), (place / "somebody_else").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        return seconds

    monkeypatch.setattr(readback, "check", check_and_fill)
    with pytest.raises(RedclustError, match=r"No space left on device: .*manifest\.json"):
        backup.make(loaded, Options(), Silent())
    assert backups.names() == [good, "somebody_else"]
    (place / "somebody_else").unlink()
    never_a_false_backup(loaded, [good])


@pytest.mark.parametrize("seed", rounds(1, 10))
def test_every_flipped_bit_is_found(
    make: Callable[..., BackupReport], fill: Callable[[int], None], loaded: Loaded, place: Path, seed: int
) -> None:
    """20 bits a round, half of them in the manifest and the roles, which are small."""
    fill(300)
    path = place / make().name
    chance = random.Random(seed)
    files = sorted(path.iterdir())
    found = 0
    for number in range(20):
        file = files[number % len(files)]
        good = file.read_bytes()
        at, bit = chance.randrange(len(good)), 1 << chance.randrange(8)
        file.write_bytes(good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :])
        with suppress(ArtefactUnusable):
            found += not backup.check(loaded, Silent(), name=path.name, every=False, level=Level.HASH).ok
        file.write_bytes(good)
    assert found == 20
    assert backup.check(loaded, Silent(), name=path.name, every=False, level=Level.READ).ok


def test_what_the_disk_spoils_while_it_is_written_is_no_backup(
    loaded: Loaded, backups: Backups, fill: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(300)
    real = local.LocalDraft.open

    def spoiled(self: local.LocalDraft, file: str) -> object:
        path = self.directory / file
        content = path.read_bytes()
        path.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
        return real(self, file)

    monkeypatch.setattr(local.LocalDraft, "open", spoiled)
    with pytest.raises(ArtefactUnusable, match="is damaged"):
        backup.make(loaded, Options(), Silent())
    assert backups.names() == []


def test_what_cannot_be_read_back_now_is_kept_and_never_counts(
    loaded: Loaded, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> float:
        raise ToolError("pg_restore went away")

    monkeypatch.setattr(readback, "check", fail)
    with pytest.raises(ToolError, match="was written, and could not be read back: pg_restore went away"):
        backup.make(loaded, Options(), Silent())
    monkeypatch.undo()
    report = backups.report("ls", fresh=True)
    assert (report["latest"], report["backups"][0]["state"]) == (None, "dumped")
    backups("verify", report["backups"][0]["name"], fresh=True)
    assert backups.report("ls")["backups"][0]["state"] == "read"


def test_the_server_restarted_in_the_middle(redclust: Redclust, home: Path, bin_dir: Path | None) -> None:
    redclust("db", "start", home=home, check=0)
    target = own_server(home, bin_dir).target()
    database = Database(Connector(target, settings_for(bin_dir).database, "test"))
    process = None
    with suppress(psycopg.OperationalError), ExitStack() as stack:
        stack.enter_context(stalled_dump(database))
        process = redclust.start("backup", "now", home=home)
        wait_until(lambda: bool(waiting(database)), "pg_dump waits for the table")
        own_server(home, bin_dir).stop()
    assert process is not None
    _, err = process.communicate(timeout=60)
    assert process.returncode == 11, err
    assert "the database ended the connection" in err
    assert [path.name for path in (home / "backups").iterdir() if not path.name.startswith(".")] == []
    assert redclust("backup", "now", home=home, check=0).stdout.startswith("Backup completed: ")


def test_whoever_held_the_locks_and_was_killed_is_in_nobody_s_way(
    backups: Backups, database: Database
) -> None:
    with stalled_dump(database):
        process = backups.redclust.start("backup", "now", env=backups.environment())
        wait_until(lambda: bool(waiting(database)), "it holds the locks and waits")
        process.kill()
        process.communicate()
    backups("now", "--lock-wait", "20s")
    assert [name.endswith(".partial") for name in backups.names()] == [True, False]


def test_a_place_that_cannot_be_written(
    database: Database, work_dir: Path, bin_dir: Path | None, tmp_path: Path
) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    loaded = loaded_for(database, file / "backups", work_dir, bin_dir)
    with pytest.raises(RedclustError, match=r"Not a directory: .*/a-file/backups"):
        backup.make(loaded, Options(), Silent())
