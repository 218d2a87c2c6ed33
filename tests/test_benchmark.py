"""``redclust benchmark``: both sides write the same rows, and nothing stays behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness import Redclust
from natural import comment, write_dump
from redclust.db import history
from redclust.db.session import Database


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return write_dump(tmp_path / "RC.zst", [comment(n) for n in range(3000)])


def test_import_beside_copy(redclust: Redclust, database: Database, dump: Path) -> None:
    done = redclust("benchmark", "import", str(dump), "--runs", "2", "--format", "json", check=0)
    report = json.loads(done.stdout)
    assert report["rows"] == report["table_rows"]["comments"] == 3000
    assert report["table_rows"]["posts"] == 11
    comparison = report["comparison"]
    assert len(comparison["ratios"]) == 2
    for side in ("measured", "baseline"):
        assert all(run > 0 for run in comparison[side]["runs_s"])
    assert comparison["ratios"][0] == pytest.approx(
        comparison["measured"]["runs_s"][0] / comparison["baseline"]["runs_s"][0]
    )
    with database.connect() as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'redclust_benchmark%'")
        assert left.fetchall() == []
        assert connection.execute("SELECT count(*) FROM comments").fetchone() == (0,)


def test_queue_beside_a_bare_loop(redclust: Redclust, database: Database) -> None:
    done = redclust("benchmark", "queue", "--jobs", "36", "--runs", "3", "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    report = json.loads(done.stdout)
    assert report["jobs"] == 36
    assert report["durable"] is False  # the server of the tests does not wait for its disk
    assert [one["processes"] for one in report["speeds"]] == [1, 4]
    for one in report["speeds"]:
        # Heartbeats write too.
        for side in ("queue", "bare"):
            assert 2 <= one[side]["commits_per_job"] < 2.5
        pairs = zip(*(one["comparison"][side]["runs_s"] for side in ("baseline", "measured")), strict=True)
        assert one["speed_ratio"] == pytest.approx(sorted(bare / ours for bare, ours in pairs)[1])
    assert report["ok"] is (done.returncode == 0)
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM crawl_runs").fetchone() == (0,)
        assert history.newest_of_each(connection).keys() == {"benchmark.queue"}


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd program to compare with")
def test_backup_beside_pg_dump_alone(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    argv = ("benchmark", "backup", "--runs", "1", "--directory", str(tmp_path), "--format", "json")
    done = redclust(*argv)
    assert done.returncode in (0, 3), done.stderr
    report = json.loads(done.stdout)
    names = [cost["name"] for cost in report["costs"]]
    assert names == ["redclust backup now", "pg_dump -Fc", "pg_dump | zstd -3"]
    assert all(cost["size_bytes"] > 1000 and cost["peak_memory_bytes"] > 1 << 20 for cost in report["costs"])
    for pair in ("beside_gzip", "beside_zstd", "beside_psql"):
        ours, theirs = (report[pair][side]["runs_s"][0] for side in ("measured", "baseline"))
        assert report[pair]["median_ratio"] == pytest.approx(ours / theirs)
    assert list(tmp_path.iterdir()) == []
    with database.connect() as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'redclust_benchmark%'")
        assert left.fetchall() == []


def test_a_damaged_dump_is_no_benchmark(redclust: Redclust, dump: Path) -> None:
    dump.write_bytes(dump.read_bytes()[:-30])
    done = redclust("benchmark", "import", str(dump), check=16)
    assert "truncated" in done.stderr
