"""Taking backups elsewhere, telling a monitor, and backing up at regular times."""

from __future__ import annotations

import http.server
import json
import os
import pty
import re
import signal
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backup_place import Backups, loaded_for

from harness import wait_until
from redclust.config import Loaded
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, Locked, Refused
from redclust.ops import backup
from redclust.ops.backup import BackupReport, Options, places
from redclust.ops.backup.manifest import Level
from redclust.report import Silent


def test_a_download_is_compared_with_its_hashes(
    make: Callable[..., BackupReport], loaded: Loaded, place: Path, tmp_path: Path
) -> None:
    name = make().name
    found = backup.download(loaded, "latest", tmp_path / "here", Silent())
    copy = Path(found.path)
    assert copy == tmp_path / "here" / name
    assert {f.name: f.read_bytes() for f in copy.iterdir()} == {
        f.name: f.read_bytes() for f in (place / name).iterdir() if f.name != ".lock"
    }
    assert {stat.S_IMODE(f.stat().st_mode) for f in copy.iterdir()} == {0o600}
    with pytest.raises(Refused, match="is there already"):
        backup.download(loaded, name, tmp_path / "here", Silent())
    damaged = place / name / "roles.sql"
    content = damaged.read_bytes()
    damaged.write_bytes(b"x" + content[1:])
    with pytest.raises(ArtefactUnusable, match=r"roles\.sql is damaged"):
        backup.download(loaded, name, tmp_path / "there", Silent())
    assert list((tmp_path / "there").iterdir()) == []


def test_a_snapshot_unpacks_into_a_place_of_backups(
    make: Callable[..., BackupReport],
    loaded: Loaded,
    database: Database,
    work_dir: Path,
    bin_dir: Path | None,
    tmp_path: Path,
) -> None:
    names = [make(tidy=False).name for _ in range(2)]
    backup.pin(loaded, names[0], reason="the first")
    backup.check(loaded, Silent(), name=names[1], every=False, level=Level.HASH)
    tar = tmp_path / "all.tar"
    done = backup.snapshot(loaded, tar, Silent())
    assert set(done.backups) == set(names)
    assert (done.size_bytes, stat.S_IMODE(tar.stat().st_mode)) == (tar.stat().st_size, 0o600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with tarfile.open(tar) as packed:
        members = [member.name for member in packed]
        packed.extractall(elsewhere, filter="data")
    for name in names:
        of_one = [m for m in members if m.startswith(f"{name}/")]
        assert of_one[-1] == f"{name}/manifest.json", "a tar that is cut off unpacks into no false backup"
    there = loaded_for(database, elsewhere, work_dir, bin_dir)
    listed = backup.ls(there)
    assert {line.name: (line.state, line.pinned) for line in listed.backups} == {
        names[0]: ("read", True),
        names[1]: ("read", False),
    }
    assert backup.check(there, Silent(), name=None, every=True, level=Level.READ).ok
    with pytest.raises(Refused, match="is there already"):
        backup.snapshot(loaded, tar, Silent())


def test_a_snapshot_of_a_damaged_backup_is_none(
    make: Callable[..., BackupReport], loaded: Loaded, place: Path, tmp_path: Path
) -> None:
    archive = place / make().name / "archive.dump.zst"
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtefactUnusable, match=r"archive\.dump\.zst is damaged"):
        backup.snapshot(loaded, tmp_path / "all.tar", Silent())
    assert list(tmp_path.iterdir()) == []


class Monitor(http.server.BaseHTTPRequestHandler):
    """Remembers what it was asked for, and how many backups there were at that moment."""

    asked: list[tuple[str, int]]
    place: Path
    slow_s = 0.0

    def do_GET(self) -> None:
        whole = len(list(self.place.glob("*/manifest.json"))) if self.place.exists() else 0
        self.asked.append((self.path, whole))
        time.sleep(self.slow_s)
        self.send_response(500 if self.path == "/failing" else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def monitor(place: Path) -> Iterator[tuple[str, type[Monitor]]]:
    handler = type("Own", (Monitor,), {"asked": [], "place": place})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()


def test_a_monitor_is_told_and_success_only_when_it_is_one(
    database: Database, place: Path, work_dir: Path, bin_dir: Path | None, monitor: tuple[str, type[Monitor]]
) -> None:
    url, handler = monitor
    pings = {f"ping_{what}_url": f"{url}/{what}" for what in ("start", "success", "failure")}
    loaded = loaded_for(database, place, work_dir, bin_dir, **pings, table_lock_wait="0.05s")
    backup.make(loaded, Options(), Silent())
    assert handler.asked == [("/start", 0), ("/success", 1)]
    handler.asked.clear()
    with database.connect() as holder:
        holder.execute("LOCK TABLE posts")
        with pytest.raises(Locked):
            backup.make(loaded, Options(), Silent())
    assert [path for path, _ in handler.asked] == ["/start", "/failure"]


def test_a_monitor_that_fails_changes_nothing(backups: Backups, monitor: tuple[str, type[Monitor]]) -> None:
    url, handler = monitor
    handler.slow_s = 3
    secret = f"{url}/failing?token=s3cret"
    done = backups(
        "now",
        ping_start_url=secret,
        ping_success_url="http://127.0.0.1:1/s3cret",
        ping_timeout_s="0.3",
    )
    assert "backup.ping_start_url could not be reached: " in done.stderr
    assert "backup.ping_success_url could not be reached: " in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_every_goes_on_after_a_failure_and_ends_by_sigterm(backups: Backups, database: Database) -> None:
    with database.connect() as holder:
        holder.execute("LOCK TABLE posts")
        environment = backups.environment(table_lock_wait="0.05s")
        process = backups.redclust.start("backup", "every", "0.3s", "--format", "json", env=environment)
        assert process.stderr is not None
        told = next(line for line in process.stderr if "failed" in line)
        assert "backup failed: a table is locked by another session" in told
    wait_until(lambda: len(backups.names()) >= 2, "two more are made")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["schema"] == "redclust.backup.every/1"
    assert report["failed"] >= 1
    assert [name for name in backups.names() if name.endswith(".partial")] == []
    # One may have been finished and not yet counted.
    assert report["made"] in (len(backups.names()), len(backups.names()) - 1)


def test_every_takes_its_interval_from_the_runbook_s_name(backups: Backups) -> None:
    process = backups.redclust.start(
        "backup", "every", env={**backups.environment(), "BACKUP_INTERVAL": "12h"}
    )
    wait_until(lambda: len(backups.names()) == 1, "the first is made at once")
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert backups("every", "soon", check=2).stdout == ""


def test_a_terminal_sees_how_far_it_is(backups: Backups, fill: Callable[[int], None]) -> None:
    fill(3000)
    leader, follower = pty.openpty()
    argv = backups.redclust.arguments(("backup", "now"), None, None)
    environment = backups.redclust.environment(backups.environment(), None)
    pid = os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, follower, fd) for fd in (0, 1, 2)],
    )
    os.close(follower)
    seen = b""
    try:
        while part := os.read(leader, 65_536):
            seen += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(leader)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"dump .*eta", text)
    assert re.search(r"read back .*100%", text)
    assert "Backup completed: " in text


def test_a_home_s_own_directory_is_the_default(loaded: Loaded, tmp_path: Path) -> None:
    settings = loaded.settings.model_copy(
        update={"backup": loaded.settings.backup.model_copy(update={"target": "elsewhere"})}
    )
    relative = Loaded(settings, tmp_path, None)
    assert places.store(relative).describe() == str(tmp_path / "elsewhere")
