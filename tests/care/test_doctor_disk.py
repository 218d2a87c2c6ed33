"""doctor disk: what could go, safest first, in true bytes; nothing is changed or started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bloated import make
from psycopg import sql

from harness import Redclust, stopped
from redclust.config import Loaded, Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import doctor
from redclust.ops.doctor import Disk, DiskReport, Item


@pytest.fixture
def look(database: Database, tmp_path: Path) -> Callable[..., DiskReport]:
    def one() -> DiskReport:
        told = {"maintenance": {"bloat_min_mb": 0.1}, "database": {"url": database.target.url()}}
        return doctor.disk(Loaded(Settings.model_validate(told), tmp_path, None))

    return one


def item(report: DiskReport, text: str) -> Item:
    (found,) = (one for one in report.items if text in one.what)
    return found


def test_what_could_go_is_found_and_ordered(
    look: Callable[..., DiskReport], connection: Connection, tmp_path: Path
) -> None:
    assert look().items == ()
    rejects = tmp_path / "rejects"
    rejects.mkdir()
    (rejects / "one.jsonl").write_bytes(bytes(12_345))
    killed = tmp_path / "upgrade-20260101_000000"
    killed.mkdir()
    (killed / "dump").write_bytes(bytes(777))
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    connection.execute("CREATE INDEX much_body_ccnew ON much (body)")
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'much_body_ccnew'::regclass"
    )
    report = look()
    assert (item(report, "could not be read").size_bytes, item(report, "killed").size_bytes) == (12_345, 777)
    row = connection.execute("SELECT pg_relation_size('much_body_ccnew')").fetchone()
    assert row == (item(report, "rebuild that died").size_bytes,)
    table = next(one for one in report.items if "what much wastes" in one.what)
    assert table.command == f"redclust vacuum --full much --confirm {connection.info.dbname}"
    assert 0 < table.needs_bytes < table.size_bytes
    risks = [one.risk for one in report.items]
    order = ["nothing is lost", "can be made again", "is gone for good"]
    assert risks == sorted(risks, key=order.index)
    # What needs room itself comes after what does not.
    safe = [one.needs_bytes > 0 for one in report.items if one.risk == "nothing is lost"]
    assert safe == sorted(safe)
    assert (rejects / "one.jsonl").exists()
    assert killed.exists()


def test_a_disk_that_is_nearly_full_is_not_well() -> None:
    assert DiskReport((Disk("home", "/", 1000, 200),), (), ()).ok
    assert not DiskReport((Disk("home", "/", 1000, 150), Disk("backups", "/b", 1000, 900)), (), ()).ok


def test_backups_beyond_the_rules(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    line = ("--database-url", database.target.url(), "--home", str(tmp_path))
    for _ in range(2):
        redclust(*line, "backup", "now", "--no-tidy", check=0)
    done = redclust(*line, "doctor", "disk", "--format", "json", env={"REDCLUST_BACKUP__KEEP": "1"})
    document = json.loads(done.stdout)
    (found,) = (one for one in document["items"] if one["command"] == "redclust backup tidy")
    assert found["size_bytes"] > 1000
    assert redclust(*line, "backup", "ls", check=0).stdout.count("reddit_cluster_") >= 2


def test_with_the_database_down_the_rest_is_said(redclust: Redclust, home: Path) -> None:
    home.mkdir()
    (home / "rejects").mkdir()
    (home / "rejects" / "one").write_bytes(bytes(5000))
    done = redclust("doctor", "disk", home=home)
    assert done.returncode in (0, 3)
    assert "4.9 KiB" in done.stdout
    assert "Not looked at: the database: its server is not running" in done.stdout
    assert not (home / "postgres").exists(), "nothing was made"
    assert stopped(home)
    away = redclust("--database-url", "postgresql://nobody@127.0.0.1:1/none", "doctor", "disk")
    assert away.returncode in (0, 3)
    assert "Not looked at: the database: database not reachable" in away.stdout


def test_a_role_that_may_only_read(
    connection: Connection,
    make_role: Callable[..., str],
    acting_as: Callable[[str], Database],
    tmp_path: Path,
) -> None:
    reader = make_role()
    url = acting_as(reader).target.url()
    loaded = Loaded(Settings.model_validate({"database": {"url": url}}), tmp_path, None)
    report = doctor.disk(loaded)
    assert any(line.startswith("the quarantine: Permission denied") for line in report.unknown)
    connection.execute(sql.SQL("GRANT SELECT ON quarantine TO {}").format(sql.Identifier(reader)))
    assert not any("quarantine" in line for line in doctor.disk(loaded).unknown)
